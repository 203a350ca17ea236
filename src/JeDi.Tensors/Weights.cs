using System.Buffers;

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

    /// <summary>All bytes of a tensor that <see cref="TryFind"/> found, row-major as stored.</summary>
    void Read(string name, Shape stored, Span<byte> destination);
}

/// <summary>
/// Name -> <see cref="Parameter"/>, below a prefix: <c>w.At("down_blocks").At(0)</c>. What was asked for, in order, is the state
/// dict (<see cref="Asked"/>), so models need no registration.
/// </summary>
public sealed class Weights
{
    readonly IWeightSource source;
    readonly string prefix;
    readonly List<Parameter> asked;

    public Weights(Device device, IWeightSource source)
        : this(device, source, "", [])
    {
    }

    Weights(Device device, IWeightSource source, string prefix, List<Parameter> asked)
    {
        Device = device;
        this.source = source;
        this.prefix = prefix;
        this.asked = asked;
    }

    public Device Device { get; }

    /// <summary>Every parameter that was asked for so far, in order.</summary>
    public IReadOnlyList<Parameter> Asked => asked;

    public Weights At(string name) => new(Device, source, $"{prefix}{name}.", asked);

    public Weights At(int index) => At(index.ToString());

    /// <summary>Bias, norm weight: [count].</summary>
    public Parameter Vector(string name, int count) => Take(name, ParameterKind.Vector, [count], [count]);

    /// <summary>Lookup table [rows, columns].</summary>
    public Parameter Table(string name, int rows, int columns) => Take(name, ParameterKind.Table, [rows, columns], [rows, columns]);

    /// <summary>Values of any shape kept plain, e.g. a class token [1, 1, C].</summary>
    public Parameter Plain(string name, Shape shape) => Take(name, ParameterKind.Table, shape, shape);

    /// <summary>Linear weight [n, k]; a 1x1 filter [n, k, 1, 1] is the same bytes and welcome.</summary>
    public Parameter Matrix(string name, int n, int k) => Take(name, ParameterKind.Matrix, [n, k], [n, k]);

    /// <summary>Linear weight [2n, k] of a GEGLU: values first, then gates.</summary>
    public Parameter GegluMatrix(string name, int n, int k) => Take(name, ParameterKind.GegluMatrix, [2 * n, k], [2 * n, k]);

    /// <summary>A linear weight for use as a filter-shaped projection, stored as [n, k, 1, 1] or [n, k].</summary>
    public Parameter Projection(string name, int n, int k) => Take(name, ParameterKind.Matrix, [n, k], [n, k, 1, 1]);

    /// <summary>Filter, stored as [o, i, kernel, kernel] and brought to [o, kernel, kernel, i].</summary>
    public Parameter Convolution(string name, int o, int i, int kernel) =>
        Take(name, ParameterKind.Convolution, [o, kernel, kernel, i], [o, i, kernel, kernel]);

    Parameter Take(string name, ParameterKind kind, Shape shape, Shape wanted)
    {
        string full = prefix + name;
        if (!source.TryFind(full, wanted, out Shape stored, out DType type))
        {
            throw new WeightException($"{source.Origin}: tensor '{full}' {wanted} is missing; is this the right kind of model?");
        }

        if (!SameButTrailingOnes(stored, wanted))
        {
            throw new WeightException($"{source.Origin}: tensor '{full}' has shape {stored}, the config wants {wanted}");
        }

        Parameter parameter = Device is Planning.PlanDevice plan
            ? plan.Load(full, kind, shape, type, default)
            : Read(full, kind, shape, stored, type);
        asked.Add(parameter);
        return parameter;
    }

    Parameter Read(string full, ParameterKind kind, Shape shape, Shape stored, DType type)
    {
        int bytes = checked((int)(stored.Count * type.Size()));
        byte[] buffer = ArrayPool<byte>.Shared.Rent(bytes);
        byte[]? turned = null;
        try
        {
            Span<byte> values = buffer.AsSpan(0, bytes);
            source.Read(full, stored, values);
            if (kind == ParameterKind.Convolution && shape[1] * shape[2] > 1)
            {
                turned = ArrayPool<byte>.Shared.Rent(bytes);
                Layouts.OihwToOhwi(values, turned.AsSpan(0, bytes), shape[0], shape[3], shape[1] * shape[2], type.Size());
                values = turned.AsSpan(0, bytes);
            }

            return Device.Load(full, kind, shape, type, values);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (turned is not null)
            {
                ArrayPool<byte>.Shared.Return(turned);
            }
        }
    }

    static bool SameButTrailingOnes(Shape a, Shape b)
    {
        for (int i = 0; i < Math.Max(a.Rank, b.Rank); i++)
        {
            if ((i < a.Rank ? a[i] : 1) != (i < b.Rank ? b[i] : 1))
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>A checkpoint that does not fit the network: names the tensor, what it is and what is wanted.</summary>
public sealed class WeightException(string message) : Exception(message);
