namespace JeDi.Cuda;

/// <summary>
/// How <c>kernels/attention.cu</c> cuts its work: a warp owns <paramref name="Rows"/> queries, keys come in tiles through a ring of stages.
/// Chosen by the head width and the queries of one image. Bits do not depend on it.
/// </summary>
/// <param name="Rows">Queries of a warp: 16 or 32.</param>
/// <param name="Warps">Warps of a block.</param>
/// <param name="Keys">Keys of a tile, a multiple of <paramref name="Unit"/>.</param>
/// <param name="Unit">Keys that are worked off together, a multiple of 32.</param>
/// <param name="Stages">Tiles in shared memory.</param>
/// <param name="Blocks">Blocks of a multiprocessor that the compiler leaves registers for.</param>
readonly record struct AttentionTile(int Rows, int Warps, int Keys, int Unit, int Stages, int Blocks)
{
    /// <summary>Wider heads find no room in a thread's registers.</summary>
    public const int MaxWidth = 200;

    public int Queries => Rows * Warps;

    /// <summary>The tile for heads of a width and so many queries an image, within a block's shared memory.</summary>
    public static AttentionTile Choose(int width, int queries, bool bias, int sharedBytes)
    {
        AttentionTile tile = width switch
        {
            <= 48 when queries >= 2048 => new(32, 4, 64, 64, 3, 2),
            <= 48 => new(16, 4, 64, 64, 3, 4),
            <= 96 when queries >= 512 => new(32, 4, 64, 32, 2, 2),
            <= 96 => new(16, 4, 64, 32, 2, 3),
            _ => new(16, 4, 64, 32, 2, 2),
        };
        return tile.SharedBytes(width, bias) <= sharedBytes ? tile : new(16, 4, 32, 32, 2, 1);
    }

    public int SharedBytes(int width, bool bias)
    {
        int row = PaddedPitch(width) * sizeof(ushort);
        return Queries * row + Stages * Keys * (2 * row + (bias ? sizeof(float) : 0));
    }

    /// <summary><c>padded_pitch</c> of <c>kernels/lib/shared.cuh</c>: an odd number of 16-byte units.</summary>
    public static int PaddedPitch(int width) => width / 8 % 2 == 1 ? width : width + 8;
}

/// <summary>How <c>kernels/attention_wide.cu</c> cuts its work: the warps of a block share the queries, the keys and the columns.</summary>
readonly record struct WideAttentionTile(int Queries, int Keys, int Warps)
{
    public const int MaxWidth = 512;

    /// <summary>Four groups of warps share the columns, in pairs of tiles.</summary>
    public const int WidthUnit = 64;

    /// <summary>The largest tile that fits a block's shared memory.</summary>
    public static WideAttentionTile Choose(int width, int sharedBytes)
    {
        var large = new WideAttentionTile(64, 64, 8);
        var middle = new WideAttentionTile(64, 32, 8);
        return large.SharedBytes(width) <= sharedBytes ? large
            : middle.SharedBytes(width) <= sharedBytes ? middle
            : new WideAttentionTile(32, 16, 4);
    }

    public int SharedBytes(int width) =>
        (Queries + 2 * Keys) * AttentionTile.PaddedPitch(width) * sizeof(ushort)
        + Queries * ((Keys + 8) * sizeof(ushort) + (Keys + 4) * sizeof(float) + sizeof(float));
}
