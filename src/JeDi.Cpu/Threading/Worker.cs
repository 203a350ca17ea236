namespace JeDi.Cpu;

/// <summary>A thread of a <see cref="Threads"/> pool and the scratch memory that it alone uses.</summary>
public sealed unsafe class Worker
{
    // From here on a whole huge page: small ones fall into the same sets of the second-level cache here and there.
    const long HugePage = 2 << 20;
    const long NearlyHuge = HugePage / 4;

    NativeBuffer scratch;

    internal Worker(Threads pool, int index) => (Pool, Index) = (pool, index);

    internal Threads Pool { get; }

    /// <summary>0 is the thread that called <see cref="Threads.Run"/>.</summary>
    public int Index { get; }

    /// <summary>
    /// Memory for <paramref name="floats"/> floats, 64-byte aligned, contents undefined. There is one such area a thread: the next call
    /// returns the same memory. It grows to the largest request, so that a repeated step allocates nothing.
    /// </summary>
    public float* Scratch(long floats)
    {
        long bytes = floats * sizeof(float);
        if (scratch.Bytes < bytes)
        {
            scratch.Free();
            scratch = NativeBuffer.Allocate(bytes is > NearlyHuge and < HugePage ? HugePage : bytes);
        }

        return (float*)scratch.Address;
    }

    internal void Free() => scratch.Free();
}
