using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Weights of a U-Net whose input filters [o, 4, k, k] stand as [o, 9, k, k] in the order mask, noisy, clean: what was trained stands in
/// the noisy slots, the rest is 0.
/// </summary>
sealed class WideInputSource(IWeightSource inner, int trained, int channels) : IWeightSource
{
    const string InputFilter = "conv_in.weight";

    // The mask stands before the noisy latent.
    const int First = 1;

    public string Origin => inner.Origin;

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        if (name != InputFilter)
        {
            return inner.TryFind(name, wanted, out stored, out type);
        }

        bool found = inner.TryFind(name, With(wanted, trained), out stored, out type);
        stored = found && stored.Rank == 4 && stored[1] == trained ? With(stored, channels) : stored;
        return found;
    }

    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        if (name != InputFilter)
        {
            inner.Read(name, stored, destination, from);
            return;
        }

        Shape narrow = With(stored, trained);
        inner.TryFind(name, narrow, out _, out DType type);
        int channelBytes = stored[2] * stored[3] * type.Size();
        int row = channels * channelBytes;
        int narrowRow = trained * channelBytes;
        var filters = new byte[destination.Length / row * narrowRow];
        inner.Read(name, narrow, filters, from / row * narrowRow);
        destination.Clear();
        for (int o = 0; o < filters.Length / narrowRow; o++)
        {
            filters.AsSpan(o * narrowRow, narrowRow).CopyTo(destination[(o * row + First * channelBytes)..]);
        }
    }

    public DType Kept(string name, Shape stored, DType read) =>
        inner.Kept(name, name == InputFilter ? With(stored, trained) : stored, read);

    public (int File, long Offset) Place(string name) => inner.Place(name);

    public void Announce(string name) => inner.Announce(name);

    static Shape With(Shape filter, int inputs) => [filter[0], inputs, filter[2], filter[3]];
}
