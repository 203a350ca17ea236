namespace JeDi.Cpu;

/// <summary>A 3x3 filter transformed for Winograd tiles, wherever it lies: [point][panel][Channels][panelWidth].</summary>
readonly unsafe struct WinogradPanels(float* first, int channels, int panels, int panelWidth)
{
    readonly float* first = first;

    /// <summary>I.</summary>
    public int Channels => channels;

    public int Panels => panels;

    /// <summary>
    /// Floats between points: at large powers of two they would fall into the same sets of the caches, and a transform writes all of them
    /// at a time.
    /// </summary>
    public const int Padding = 16;

    /// <summary>Floats from point to point.</summary>
    public nint PointFloats => (nint)panels * channels * panelWidth + Padding;

    /// <summary>Panel <paramref name="index"/> of the matrix of <paramref name="point"/>, [Channels][panelWidth].</summary>
    public float* Panel(int point, int index) => first + point * PointFloats + (nint)index * channels * panelWidth;

    /// <summary>Floats of such a filter.</summary>
    public static long Floats(int points, int panels, int channels, int panelWidth) =>
        points * ((long)panels * channels * panelWidth + Padding);
}
