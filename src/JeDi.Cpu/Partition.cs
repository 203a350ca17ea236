namespace JeDi.Cpu;

/// <summary>Even cuts.</summary>
static class Partition
{
    /// <summary>
    /// Where part <paramref name="index"/> of <paramref name="parts"/> nearly equal parts of 0..<paramref name="total"/> begins.
    /// </summary>
    public static int Start(int total, int parts, int index) => (int)((long)total * index / parts);

    /// <summary>How many pieces of at most <paramref name="size"/> make up <paramref name="total"/>; at least one.</summary>
    public static int Pieces(long total, int size) => (int)Math.Max(1, (total + size - 1) / size);
}
