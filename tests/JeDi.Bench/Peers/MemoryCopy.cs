namespace JeDi.Bench.Peers;

/// <summary>
/// The bound of an operation that memory sets the pace of: copying its input to its output, a share for each thread. A ratio of 1 is
/// ideal, and only an operation that stays in cache gets near it.
/// </summary>
sealed unsafe class MemoryCopy : Peer
{
    int threads = 1;

    public override string Name => "memory copy";

    public override string? Missing => null;

    public override void UseThreads(int count) => threads = count;

    public override Action GroupNorm(ImageShape shape) => Copy(shape);

    public override Action LayerNorm(ImageShape shape) => Copy(shape);

    public override Action Add(ImageShape shape) => Copy(shape);

    Action Copy(ImageShape shape)
    {
        long count = (long)shape.Size * shape.Size * shape.Channels;
        nint from = Floats(count, 1);
        nint to = Floats(count, 2);
        long share = count * sizeof(float) / threads;
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads };
        return () => Parallel.For(0, threads, options, i =>
            Buffer.MemoryCopy((byte*)from + i * share, (byte*)to + i * share, share, share));
    }
}
