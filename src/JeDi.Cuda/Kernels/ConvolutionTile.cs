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

    const int WindowBytes = 8;

    // Kept by the driver for each block.
    const int Reserved = 1024;

    public int Threads => Warps / 10 * (Warps % 10) * Slices * 32;

    public int StageBytes => (Rows + Columns) * SlabBytes;

    /// <summary>Slabs under way: as many as fit, with two blocks side by side where registers allow it. Bits do not depend on it.</summary>
    public int Stages(int sharedBytesPerBlock)
    {
        int blocks = Threads <= 128 ? 2 : 1;
        return Math.Clamp((sharedBytesPerBlock / blocks - Reserved - Rows * WindowBytes) / StageBytes, 2, WantedStages);
    }

    public int SharedBytes(int stages) => Math.Max(stages * StageBytes + Rows * WindowBytes, Rows * (Columns + SumPadding) * sizeof(float));

    /// <summary>
    /// The cut for one image's output pixels, outputs, slabs of K and element type: the batch has no say. Two images (one with guidance)
    /// get about as many blocks as an H100 has multiprocessors: measured there at two, four and eight images (docs/speed.md).
    /// </summary>
    public static ConvolutionTile For(int pixels, int outputs, int slabs, DType type, bool gather)
    {
        const int WantedBlocks = 128;
        const int MostSplits = 16;
        const int LeastSlabs = 8;
        bool little = pixels < 128 || pixels < 4096 && slabs < 135;
        ConvolutionTile tile = outputs switch
        {
            <= 16 => new(64, 16, 41, 1),
            _ when gather => new(64, 64, 22, 1),
            _ when type == DType.F32 => new(128, 64, 22, 1),
            <= 64 => new(128, 64, 22, 1),
            _ when outputs % 160 != 0 => little ? new(64, 128, 12, 2) : new(128, 128, 22, 1),
            _ => little ? new(64, 160, 12, 2) : new(128, 160, 22, 1),
        };
        int blocks = CudaKernels.Pieces(2 * pixels, tile.Rows) * CudaKernels.Pieces(outputs, tile.Columns);
        int splits = Math.Min((WantedBlocks + blocks / 2) / blocks, Math.Min(MostSplits, slabs / LeastSlabs));
        return tile with { Splits = Math.Max(1, splits) };
    }
}
