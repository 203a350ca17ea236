namespace JeDi.Cpu;

/// <summary>Sizes of the scratch memory: zeros, input planes, product planes.</summary>
readonly struct WinogradLayout<V, T>
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    // Both sides of the products stay in the caches ...
    const long BlockBytes = 2L << 20;

    // ... but a block has so many tiles that reading the filters, once a block, is hidden behind the products ...
    const int MinTiles = 96;

    // ... and so is transforming them, where they are not kept.
    const int MinFusedTiles = 192;

    // Planes and rows at large powers of two fall into the same sets of the caches.
    const int AliasingPitch = 512;
    const int PitchPadding = 16;

    /// <param name="shape">Of the convolution.</param>
    /// <param name="panels">Of the filter.</param>
    /// <param name="fused">Filters are transformed on the way.</param>
    public WinogradLayout(in ConvolutionShape shape, int panels, bool fused)
    {
        Across = Partition.Pieces(shape.OutputWidth, T.Outputs);
        TilesPerImage = Across * Partition.Pieces(shape.OutputHeight, T.Outputs);
        Tiles = TilesPerImage * shape.Images;
        ZeroFloats = (shape.I + PitchPadding - 1) / PitchPadding * PitchPadding;
        InputPitch = Pitch(shape.I);
        ProductPitch = Pitch(panels * V.TileColumns);
        long tileBytes = (InputPitch + ProductPitch) * sizeof(float) * T.Size * T.Size;
        int atOnce = (int)Math.Max(fused ? MinFusedTiles : MinTiles, BlockBytes / tileBytes);
        Blocks = Partition.Pieces(Tiles, atOnce);
        int largest = (Tiles + Blocks - 1) / Blocks;
        InputPlane = InputPitch * largest + PitchPadding;
        ProductPlane = ProductPitch * largest + PitchPadding;
    }

    /// <summary>Tiles side by side in an image.</summary>
    public int Across { get; }

    public int TilesPerImage { get; }

    public int Tiles { get; }

    public int Blocks { get; }

    public nint ZeroFloats { get; }

    /// <summary>Floats from tile to tile.</summary>
    public nint InputPitch { get; }

    public nint ProductPitch { get; }

    /// <summary>Floats from point to point.</summary>
    public nint InputPlane { get; }

    public nint ProductPlane { get; }

    public long Floats => ZeroFloats + (InputPlane + ProductPlane) * T.Size * T.Size;

    static nint Pitch(int floats) => floats % AliasingPitch == 0 ? floats + PitchPadding : floats;
}
