namespace JeDi.Cpu;

/// <summary>A 3x3 filter transformed for Winograd tiles, wherever it lies: [point][panel][Channels][panelWidth].</summary>
readonly unsafe struct WinogradPanels(float* first, int channels, int panels, int panelWidth)
{
    readonly float* first = first;

    /// <summary>I.</summary>
    public int Channels => channels;

    public int Panels => panels;

    /// <summary>Floats from point to point.</summary>
    public nint PointFloats => (nint)panels * channels * panelWidth;

    /// <summary>Panel <paramref name="index"/> of the matrix of <paramref name="point"/>, [Channels][panelWidth].</summary>
    public float* Panel(int point, int index) => first + ((nint)point * panels + index) * channels * panelWidth;
}
