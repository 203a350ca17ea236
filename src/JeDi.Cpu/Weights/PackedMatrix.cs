using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// The right operand w [N, K] of a matrix product in the order in which a micro-kernel reads it: panels of
/// <see cref="PanelWidth"/> rows of w, each [K][PanelWidth], the last one filled up with zeros. With GEGLU the first half of a panel
/// holds values and the second half the gates that belong to them. Two-byte numbers stay two bytes: a product widens the stretch that it
/// works on (<see cref="Floats"/>), which is exact.
/// </summary>
sealed unsafe class PackedMatrix : ParameterForm
{
    readonly CpuKernels kernels;
    readonly PanelMemory memory;
    readonly byte* first;

    /// <param name="kernels">Whose form it is.</param>
    /// <param name="memory">Where it lies; its contents are undefined.</param>
    public PackedMatrix(CpuKernels kernels, PanelMemory memory, ParameterKind kind, Shape shape, DType type)
    {
        this.kernels = kernels;
        Geglu = kind == ParameterKind.GegluMatrix;
        N = shape[0];
        K = SumLength(shape);
        PanelWidth = kernels.PanelWidth;
        Type = type;
        Bytes = ByteCount(kind, shape, type, PanelWidth);
        this.memory = memory;
        first = (byte*)memory.Take(Bytes);
    }

    /// <summary>Rows of w: columns of the product before GEGLU halves them.</summary>
    public int N { get; }

    public int K { get; }

    public int PanelWidth { get; }

    public bool Geglu { get; }

    /// <summary>F32, F16 or BF16.</summary>
    public DType Type { get; }

    /// <summary>Columns of the result.</summary>
    public int Columns => Geglu ? N / 2 : N;

    /// <summary>Result columns of a panel.</summary>
    public int PanelColumns => Geglu ? PanelWidth / 2 : PanelWidth;

    public int Panels => Partition.Pieces(Columns, PanelColumns);

    public override long Bytes { get; }

    /// <summary>Panel <paramref name="index"/>, [K][PanelWidth] of <see cref="Type"/>.</summary>
    public byte* Panel(int index) => first + (nint)index * K * PanelWidth * Type.Size();

    /// <summary>Floats of scratch memory that <see cref="Floats"/> needs for a stretch of some panels.</summary>
    public long ScratchFloats(int panels, int depth) => Type == DType.F32 ? 0 : (long)panels * depth * PanelWidth;

    /// <summary>
    /// Rows <paramref name="k"/> to <paramref name="k"/> + <paramref name="depth"/> of some panels as floats: where they stand, or
    /// widened in <paramref name="scratch"/>.
    /// </summary>
    /// <param name="pitch">Floats from panel to panel.</param>
    public float* Floats<V>(int firstPanel, int panels, int k, int depth, float* scratch, out nint pitch) where V : unmanaged, ISimd<V>
    {
        if (Type == DType.F32)
        {
            pitch = (nint)K * PanelWidth;
            return (float*)Panel(firstPanel) + (nint)k * PanelWidth;
        }

        pitch = (nint)depth * PanelWidth;
        for (int p = 0; p < panels; p++)
        {
            Widen.ToFloats<V>(scratch + p * pitch, Panel(firstPanel + p), Type, (nint)k * PanelWidth, depth * PanelWidth);
        }

        return scratch;
    }

    /// <summary>Row of w that is column <paramref name="r"/> of a panel; -1 for padding.</summary>
    public int SourceRow(int panel, int r)
    {
        int column = panel * PanelColumns + r % PanelColumns;
        return column >= Columns ? -1 : r < PanelColumns ? column : Columns + column;
    }

    /// <summary>Bytes of such a matrix.</summary>
    public static long ByteCount(ParameterKind kind, Shape shape, DType type, int panelWidth)
    {
        int panels = kind == ParameterKind.GegluMatrix
            ? Partition.Pieces(shape[0] / 2, panelWidth / 2)
            : Partition.Pieces(shape[0], panelWidth);
        return (long)panels * panelWidth * SumLength(shape) * type.Size();
    }

    /// <summary>From the plain F32 value.</summary>
    public override void Rebuild(Parameter parameter)
    {
        // Loaded without a plain value, the panels are the value, which does not change.
        if (parameter.Value.Exists)
        {
            kernels.Pack(this, (float*)parameter.Value.Address);
        }
    }

    public override void Free() => memory.Leave();

    /// <summary>Length of the sums: all dimensions of a weight but the first.</summary>
    static int SumLength(Shape shape) => checked((int)(shape.Count / shape[0]));
}
