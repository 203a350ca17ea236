using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Notes what a network asks for, in order and with the shapes that it wants: the network's state dict. Looks at another source's
/// shapes, or has every tensor if there is none; the numbers are all 0.
/// </summary>
public sealed class ShapeSource(IWeightSource? inner = null) : IWeightSource
{
    readonly Dictionary<string, Shape> wanted = [];

    /// <inheritdoc/>
    public string Origin => inner?.Origin ?? "shapes";

    /// <summary>Shapes, as PyTorch stores them, by name.</summary>
    public IReadOnlyDictionary<string, Shape> Wanted => wanted;

    /// <inheritdoc/>
    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        this.wanted[name] = wanted;
        (stored, type) = (wanted, DType.F32);
        return inner?.TryFind(name, wanted, out stored, out type) ?? true;
    }

    /// <inheritdoc/>
    public void Read(string name, Shape stored, Span<byte> destination, long from = 0) => destination.Clear();
}
