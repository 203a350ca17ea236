using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Weights of another source until a token is cancelled.</summary>
sealed class StoppableSource(IWeightSource inner, CancellationToken token) : IWeightSource
{
    public string Origin => inner.Origin;

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        token.ThrowIfCancellationRequested();
        return inner.TryFind(name, wanted, out stored, out type);
    }

    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        token.ThrowIfCancellationRequested();
        inner.Read(name, stored, destination, from);
    }

    public DType Kept(string name, Shape stored, DType read) => inner.Kept(name, stored, read);

    public (int File, long Offset) Place(string name) => inner.Place(name);
}
