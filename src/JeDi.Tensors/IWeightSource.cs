namespace JeDi.Tensors;

/// <summary>Where weights come from: a file, the recipe, random numbers, or shapes alone.</summary>
public interface IWeightSource
{
    /// <summary>For messages: the file or folder.</summary>
    string Origin { get; }

    /// <summary>
    /// Shape (as PyTorch stores it: filters are [O, I, kh, kw]) and element type under a name. A source that makes its numbers
    /// answers with what is wanted.
    /// </summary>
    bool TryFind(string name, Shape wanted, out Shape stored, out DType type);

    /// <summary>
    /// Bytes of a tensor that <see cref="TryFind"/> found, row-major as stored, from byte <paramref name="from"/> on (a row begins
    /// there). Several threads may read at once.
    /// </summary>
    void Read(string name, Shape stored, Span<byte> destination, long from = 0);

    /// <summary>Says that a tensor will be read soon, so that a disk has it ready.</summary>
    void Announce(string name)
    {
    }

    /// <summary>Type to keep the value in, where it is not the one that is read: merged weights are read as F32.</summary>
    DType Kept(string name, Shape stored, DType read) => read;

    /// <summary>Where the tensor stands among those of the source: a loader reads in this order.</summary>
    (int File, long Offset) Place(string name) => default;
}

/// <summary>A parameter that waits for its value, and where that value is.</summary>
/// <param name="Parameter">Without a value, or with room for an F32 one.</param>
/// <param name="Source">Holds it under the parameter's name.</param>
/// <param name="Shape">As stored.</param>
/// <param name="Type">As stored.</param>
/// <param name="Turned">A filter is stored in the layout of computation already.</param>
public sealed record WantedParameter(Parameter Parameter, IWeightSource Source, Shape Shape, DType Type, bool Turned = false)
{
    /// <summary>Taps of a filter that is stored [O, I, taps] and wanted [O, taps, I]; 1 where no turning is needed.</summary>
    public int Taps => Parameter.Kind == ParameterKind.Convolution && !Turned ? Parameter.Shape[1] * Parameter.Shape[2] : 1;

    /// <summary>Rows: the leading dimension.</summary>
    public int Rows => Parameter.Shape[0];

    /// <summary>Elements of a row.</summary>
    public int Columns => checked((int)(Parameter.Shape.Count / Math.Max(1, Rows)));

    /// <summary>Says that it will be read soon.</summary>
    public void Announce() => Source.Announce(Parameter.Name);

    /// <summary>Some rows as they are stored; several threads may call at once.</summary>
    public void Read(int firstRow, Span<byte> destination) =>
        Source.Read(Parameter.Name, Shape, destination, (long)firstRow * Columns * Type.Size());
}

/// <summary>One tensor in host memory, under whatever name.</summary>
sealed class HostSource(byte[] values) : IWeightSource
{
    public string Origin => "host memory";

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type) => throw new NotSupportedException();

    public void Read(string name, Shape stored, Span<byte> destination, long from) =>
        values.AsSpan((int)from, destination.Length).CopyTo(destination);
}
