namespace JeDi.Tensors;

/// <summary>What a weight is for; tells a device how to store it.</summary>
public enum ParameterKind
{
    /// <summary>Bias or norm weight [C]; kept plain.</summary>
    Vector,

    /// <summary>Lookup table [rows, C]; kept plain.</summary>
    Table,

    /// <summary>Right operand of <see cref="Kernels.Gemm"/> [N, K].</summary>
    Matrix,

    /// <summary>The same with <see cref="Activation.Geglu"/>: [2n, K], values first, gates after them.</summary>
    GegluMatrix,

    /// <summary>Filter of <see cref="Kernels.Conv2d"/> [O, kh, kw, I].</summary>
    Convolution,
}

/// <summary>A named weight on a device.</summary>
public sealed class Parameter(string name, ParameterKind kind, Shape shape)
{
    /// <summary>Name in the checkpoint.</summary>
    public string Name { get; } = name;

    public ParameterKind Kind { get; } = kind;

    /// <summary>Shape in the layout of computation (filters are [O, kh, kw, I]).</summary>
    public Shape Shape { get; } = shape;

    /// <summary>Plain F32 values; absent where the device keeps only its own form.</summary>
    public Tensor Value { get; init; }

    /// <summary>F32, in the shape of the value; only in training. Backward kernels add to it.</summary>
    public Tensor Gradient { get; set; }

    /// <summary>The device's own form (packed panels, transformed filters), if it has one.</summary>
    public object? Form { get; init; }

    /// <summary>The plain values; an absent parameter (no bias) gives an absent tensor.</summary>
    public static implicit operator Tensor(Parameter? parameter) => parameter is null ? default : parameter.Value;
}
