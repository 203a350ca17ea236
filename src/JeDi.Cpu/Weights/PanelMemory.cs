using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// One allocation for the panels of many weights, given back with the last of them. Weights of some hundred kilobytes each would lie in
/// small pages, whose first touch may take the system longer than reading the file; together they fill huge ones.
/// </summary>
sealed class PanelMemory(Device device, long bytes)
{
    // A cache line: rows of panels are read line by line.
    const long Alignment = 64;

    readonly DeviceMemory memory = device.Allocate(bytes);
    long taken;
    int holders;

    /// <summary>Bytes that panels of this size take, together with those that they leave empty.</summary>
    public static long Room(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    /// <summary>Room for some panels; contents are undefined. Not for several threads.</summary>
    public nint Take(long bytes)
    {
        long first = taken;
        taken += Room(bytes);
        if (bytes > memory.Bytes - first)
        {
            throw new ArgumentOutOfRangeException(nameof(bytes), $"{bytes} bytes from {first} on, of {memory.Bytes}");
        }

        holders++;
        return memory.Address + (nint)first;
    }

    /// <summary>The holder of some of it needs it no more.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref holders) == 0)
        {
            device.Free(memory);
        }
    }
}
