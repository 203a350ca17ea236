using JeDi.Cuda.Native;

namespace JeDi.Cuda;

/// <summary>
/// Pinned host memory between the process and the device. Bytes that go in are copied to one half while the other is still on its way, so
/// reading a file and the transfer of what was read before overlap; the caller's memory is free when the call returns.
/// </summary>
sealed unsafe class Staging(CudaContext context, nint stream) : IDisposable
{
    /// <summary>Bytes of a half.</summary>
    public const int HalfBytes = 8 << 20;

    /// <summary>Bytes on whose multiples each piece begins.</summary>
    const int Alignment = 256;

    byte* memory;
    nint event0;
    nint event1;
    int half;
    int used;

    /// <summary>Host memory to the device, in the order of the stream.</summary>
    public void In(nint destination, ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            int bytes = Math.Min(source.Length, HalfBytes);
            byte* place = Take(bytes);
            source[..bytes].CopyTo(new Span<byte>(place, bytes));
            Send(destination, place, bytes);
            destination += bytes;
            source = source[bytes..];
        }
    }

    /// <summary>Pinned memory of at most <see cref="HalfBytes"/> that is on its way no more; for <see cref="Send"/>.</summary>
    public byte* Take(int bytes)
    {
        Open();
        if (bytes > HalfBytes - used)
        {
            Turn();
        }

        byte* place = memory + (long)half * HalfBytes + used;
        used = Math.Min(HalfBytes, used + Room(bytes));
        return place;
    }

    /// <summary>Bytes of a half that so many take.</summary>
    public static int Room(int bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    /// <summary>Bytes that were taken, and filled, to the device, in the order of the stream.</summary>
    public void Send(nint destination, byte* place, int bytes) =>
        context.Check(Driver.cuMemcpyHtoDAsync_v2(destination, place, (nuint)bytes, stream), "cuMemcpyHtoDAsync (");

    /// <summary>Device memory to the host; waits for the work before it.</summary>
    public void Out(Span<byte> destination, nint source)
    {
        Open();
        Turn();
        while (destination.Length > 0)
        {
            int bytes = Math.Min(destination.Length, HalfBytes);
            byte* place = memory + (long)half * HalfBytes;
            context.Check(Driver.cuMemcpyDtoHAsync_v2(place, source, (nuint)bytes, stream), "cuMemcpyDtoHAsync (");
            context.Check(Driver.cuStreamSynchronize(stream), "cuStreamSynchronize (");
            new ReadOnlySpan<byte>(place, bytes).CopyTo(destination);
            source += bytes;
            destination = destination[bytes..];
        }
    }

    /// <summary>After the stream's work has ended.</summary>
    public void Dispose()
    {
        if (memory is not null)
        {
            Driver.cuEventDestroy_v2(event0);
            Driver.cuEventDestroy_v2(event1);
            Driver.cuMemFreeHost(memory);
            memory = null;
        }
    }

    void Open()
    {
        if (memory is not null)
        {
            return;
        }

        void* pinned;
        nint first, second;
        Driver.cuMemHostAlloc(&pinned, 2 * HalfBytes, 0).Check();
        memory = (byte*)pinned;
        Driver.cuEventCreate(&first, NoTiming).Check();
        Driver.cuEventCreate(&second, NoTiming).Check();
        (event0, event1) = (first, second);
    }

    /// <summary>Goes on in the other half, once what was sent from it has arrived.</summary>
    void Turn()
    {
        context.Check(Driver.cuEventRecord(half == 0 ? event0 : event1, stream), "cuEventRecord (");
        half = 1 - half;
        used = 0;
        context.Check(Driver.cuEventSynchronize(half == 0 ? event0 : event1), "cuEventSynchronize (");
    }

    /// <summary>CU_EVENT_DISABLE_TIMING.</summary>
    const uint NoTiming = 2;
}
