using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>
/// How <c>kernels/conv2d.cu</c> cuts a convolution: a block has Rows output pixels times Columns outputs, on 10 m + n = Warps as m x n
/// warps, Slices such sets of them sharing each slab of K; Splits pieces of K are summed apart and then joined.
/// </summary>
readonly record struct ConvolutionTile(int Rows, int Columns, int Warps, int Slices, int Splits = 1)
{
    /// <summary>Bytes of a slab's row: what a tile takes of K at a time.</summary>
    public const int SlabBytes = 128;

    const int WantedStages = 4;
    const int SumPadding = 8;

    // Windows of the rows, and what the driver keeps for itself.
    const int Reserved = 4 * 1024;

    public int Threads => Warps / 10 * (Warps % 10) * Slices * 32;

    public int StageBytes => (Rows + Columns) * SlabBytes;

    /// <summary>Slabs under way: as many as fit, with two blocks side by side where registers allow it. Bits do not depend on it.</summary>
    public int Stages(int sharedBytesPerBlock)
    {
        int blocks = Threads <= 128 ? 2 : 1;
        return Math.Clamp((sharedBytesPerBlock / blocks - Reserved) / StageBytes, 2, WantedStages);
    }

    public int SharedBytes(int stages) => Math.Max(stages * StageBytes, Rows * (Columns + SumPadding) * sizeof(float));

    /// <summary>
    /// The cut for one image's output pixels, outputs, slabs of K and element type: the batch has no say. The number of blocks is that of
    /// two images (one with guidance) on 132 multiprocessors.
    /// </summary>
    public static ConvolutionTile For(int pixels, int outputs, int slabs, DType type, bool gather)
    {
        const int Multiprocessors = 132;
        const int LeastSlabs = 8;
        ConvolutionTile tile = (outputs, gather, type) switch
        {
            ( <= 16, _, _) => new(64, 16, 41, 1),
            (_, true, _) => new(64, 64, 22, 1),
            (_, _, DType.F32) => new(64, 64, 22, 1),
            ( <= 64, _, _) => new(128, 64, 22, 1),
            _ when outputs % 160 == 0 => new(64, 160, 12, 2),
            _ => new(128, 128, 22, 1),
        };
        int blocks = (2 * pixels + tile.Rows - 1) / tile.Rows * ((outputs + tile.Columns - 1) / tile.Columns);
        int splits = Math.Clamp(2 * Multiprocessors / blocks, 1, Math.Max(1, slabs / LeastSlabs));
        return tile with { Splits = splits };
    }
}
