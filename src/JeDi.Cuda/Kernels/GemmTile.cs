namespace JeDi.Cuda;

/// <summary>
/// How <c>kernels/gemm.cu</c> cuts a product. Chosen by the rows of one image, the width and the depth, since the number of splits changes
/// bits (the tile's shape does not).
/// </summary>
/// <param name="Rows">Rows of a block.</param>
/// <param name="Columns">Rows of w of a block.</param>
/// <param name="WarpRows">Rows of a warp.</param>
/// <param name="WarpColumns">Rows of w of a warp.</param>
/// <param name="Stages">Tiles of 64 k in shared memory.</param>
/// <param name="Splits">Stretches of k that are summed apart.</param>
readonly record struct GemmTile(int Rows, int Columns, int WarpRows, int WarpColumns, int Stages, int Splits = 1)
{
    /// <summary>Up to so many rows an image, a product is one of vectors: <c>kernels/gemm_rows.cu</c>.</summary>
    public const int FewRows = 4;

    const int Depth = 64;

    /// <summary>The names of the numbers that the kernel is compiled with.</summary>
    public static string[] Numbers { get; } =
        ["OUTPUT_F32", "ACTIVATION", "ROWS", "COLUMNS", "WARP_ROWS", "WARP_COLUMNS", "STAGES", "ALIGNED"];

    public int Threads => 32 * (Rows / WarpRows) * (Columns / WarpColumns);

    public static GemmTile Choose(int rows, int width, int depth, int sharedBytes)
    {
        GemmTile tile = (rows, width) switch
        {
            ( >= 256, >= 2048) => new(128, 128, 64, 64, 3),
            ( >= 4096, _) when width % 160 == 0 => new(128, 160, 32, 80, 3),
            _ => new(64, 64, 32, 32, 4, Splits: SplitsOf(rows, width, depth)),
        };
        return tile.SharedBytes <= sharedBytes ? tile : tile with { Stages = 2 };
    }

    /// <summary>The stages, and after them the sums of all warps in rows of f32.</summary>
    public int SharedBytes =>
        Math.Max(Stages * (Rows + Columns) * Depth * sizeof(ushort), Threads / 32 * WarpRows * (WarpColumns + 8) * sizeof(float));

    /// <summary>Few tiles leave multiprocessors idle; a stretch shorter than the latency of its loads does not pay.</summary>
    static int SplitsOf(int rows, int width, int depth)
    {
        const int FewTiles = 64;
        const int ShortStretch = 256;
        int tiles = (rows + 63) / 64 * ((width + 63) / 64);
        int splits = 1;
        while (splits < 8 && depth >= 2 * splits * ShortStretch
            && (tiles * splits < FewTiles || (tiles * splits < 2 * FewTiles && depth >= 8 * splits * ShortStretch)))
        {
            splits *= 2;
        }

        return splits;
    }
}
