using System.Runtime.InteropServices;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>Weights of another source with those that were trained in their place, as PyTorch stores them.</summary>
sealed class TrainedSource : IWeightSource
{
    readonly IWeightSource inner;
    readonly Tensor values;
    readonly Dictionary<string, (Parameter Parameter, int First)> trained = [];

    /// <param name="inner">Has the rest.</param>
    /// <param name="parameters">What was trained, of this component alone.</param>
    /// <param name="all">The flat memory that they lie in.</param>
    /// <param name="values">Of its size: the values, or their averages.</param>
    public TrainedSource(IWeightSource inner, IReadOnlyCollection<Parameter> parameters, FlatParameters all, Tensor values)
    {
        this.inner = inner;
        this.values = values;
        foreach (Parameter parameter in parameters)
        {
            trained.Add(parameter.Name, (parameter, all.First(parameter)));
        }
    }

    public string Origin => inner.Origin;

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        if (!trained.ContainsKey(name))
        {
            return inner.TryFind(name, wanted, out stored, out type);
        }

        (stored, type) = (wanted, DType.F32);
        return true;
    }

    public (int File, long Offset) Place(string name) => trained.ContainsKey(name) ? default : inner.Place(name);

    public void Announce(string name)
    {
        if (!trained.ContainsKey(name))
        {
            inner.Announce(name);
        }
    }

    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        if (!trained.TryGetValue(name, out (Parameter Parameter, int First) found))
        {
            inner.Read(name, stored, destination, from);
            return;
        }

        Span<float> to = MemoryMarshal.Cast<byte, float>(destination);
        var source = new float[to.Length];
        values.Device.Read<float>(source, values.Rows(found.First + (int)(from / sizeof(float)), to.Length));
        Shape shape = found.Parameter.Shape;
        if (found.Parameter.Kind == ParameterKind.Convolution && shape[1] * shape[2] > 1)
        {
            int taps = shape[1] * shape[2];
            Layouts.NhwcToNchw(source, to.Length / (taps * shape[3]), shape[3], taps).CopyTo(to);
        }
        else
        {
            source.CopyTo(to);
        }
    }
}
