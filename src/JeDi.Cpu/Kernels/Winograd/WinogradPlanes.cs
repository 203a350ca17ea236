namespace JeDi.Cpu;

/// <summary>
/// Where transformed tiles and their products lie in scratch memory: zeros, what is read beyond an image's border; inputs
/// [point][tile][channels]; products [point][tile][columns].
/// </summary>
readonly struct WinogradPlanes
{
    // Planes and rows at large powers of two fall into the same sets of the caches.
    const int AliasingPitch = 512;
    const int PitchPadding = 16;

    /// <param name="points">Of a tile.</param>
    /// <param name="channels">I.</param>
    /// <param name="columns">Of the panels that are multiplied with.</param>
    /// <param name="tiles">At once.</param>
    public WinogradPlanes(int points, int channels, int columns, int tiles)
    {
        Points = points;
        ZeroFloats = (channels + PitchPadding - 1) / PitchPadding * PitchPadding;
        InputPitch = Pitch(channels);
        ProductPitch = Pitch(columns);
        InputPlane = InputPitch * tiles + PitchPadding;
        ProductPlane = ProductPitch * tiles + PitchPadding;
    }

    public int Points { get; }

    public nint ZeroFloats { get; }

    /// <summary>Floats from tile to tile.</summary>
    public nint InputPitch { get; }

    public nint ProductPitch { get; }

    /// <summary>Floats from point to point.</summary>
    public nint InputPlane { get; }

    public nint ProductPlane { get; }

    /// <summary>Where the products begin, from the zeros on.</summary>
    public nint Products => ZeroFloats + InputPlane * Points;

    public nint Floats => Products + ProductPlane * Points;

    /// <summary>Bytes of one tile, its products included.</summary>
    public static long TileBytes(int points, int channels, int columns) =>
        (long)(Pitch(channels) + Pitch(columns)) * points * sizeof(float);

    static nint Pitch(int floats) => floats % AliasingPitch == 0 ? floats + PitchPadding : floats;
}
