namespace JeDi.Cpu;

/// <summary>A thread of a <see cref="Threads"/> pool and the scratch memory that it alone uses.</summary>
public sealed unsafe class Worker
{
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
        if (scratch.Bytes < floats * sizeof(float))
        {
            scratch.Free();
            scratch = NativeBuffer.Allocate(floats * sizeof(float));
        }

        return (float*)scratch.Address;
    }

    internal void Free() => scratch.Free();
}
