using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>A text encoder's weights with more rows below its table of tokens.</summary>
/// <param name="inner">The weights without them.</param>
/// <param name="tokens">Rows of the table without them.</param>
/// <param name="added">The rows, one after the other.</param>
sealed class EmbeddingSource(IWeightSource inner, int tokens, float[] added) : IWeightSource
{
    internal const string Table = "text_model.embeddings.token_embedding.weight";

    public string Origin => inner.Origin;

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        if (name != Table)
        {
            return inner.TryFind(name, wanted, out stored, out type);
        }

        bool found = inner.TryFind(name, [tokens, wanted[1]], out stored, out type);
        if (found && stored.Rank == 2 && stored[0] == tokens)
        {
            stored = [tokens + added.Length / stored[1], stored[1]];
        }

        return found;
    }

    public DType Kept(string name, Shape stored, DType read) => inner.Kept(name, stored, read);

    public (int File, long Offset) Place(string name) => inner.Place(name);

    public void Announce(string name) => inner.Announce(name);

    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        if (name != Table)
        {
            inner.Read(name, stored, destination, from);
            return;
        }

        Shape table = [tokens, stored[1]];
        inner.TryFind(name, table, out _, out DType type);
        long end = table.Count * type.Size();
        int before = (int)Math.Clamp(end - from, 0, destination.Length);
        if (before > 0)
        {
            inner.Read(name, table, destination[..before], from);
        }

        if (before < destination.Length)
        {
            var bytes = new byte[added.Length * type.Size()];
            Numbers.FromFloat(added, type, bytes);
            bytes.AsSpan((int)(from + before - end), destination.Length - before).CopyTo(destination[before..]);
        }
    }
}
