using System.Runtime.InteropServices;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Weights of another source with the changes of a file merged in, in F32: W + factor * scale * delta. DoRA: with V = W + scale * delta and
/// magnitudes m the merged weight is W + factor * (m V / |V| - W). Filters are seen as matrices [o, i * k * k].
/// </summary>
sealed class LoraSource(IWeightSource inner, Component component, LoraFile lora, double factor) : IWeightSource
{
    (string Name, float[] Values) whole = ("", []);

    public string Origin => inner.Origin;

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        bool found = inner.TryFind(name, wanted, out stored, out type);
        type = found && lora.Find(component, name) is not null ? DType.F32 : type;
        return found;
    }

    /// <summary>A merged weight stays as small as the stored one: its numbers are rounded once, when they are kept.</summary>
    public DType Kept(string name, Shape stored, DType read)
    {
        if (lora.Find(component, name) is not null)
        {
            inner.TryFind(name, stored, out _, out read);
        }

        return inner.Kept(name, stored, read);
    }

    public (int File, long Offset) Place(string name) => inner.Place(name);

    public void Announce(string name) => inner.Announce(name);

    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        if (lora.Find(component, name) is not LoraChange change)
        {
            inner.Read(name, stored, destination, from);
            return;
        }

        Span<float> values = MemoryMarshal.Cast<byte, float>(destination);
        int first = (int)(from / sizeof(float));
        if (change.Magnitudes is null)
        {
            ReadPlain(name, stored, values, first);
            Add(values, first / change.Delta.Columns, change.Delta, (float)(factor * change.Scale));
        }
        else
        {
            // A row's or column's length is known when all of it is.
            lock (lora)
            {
                whole = whole.Name == name ? whole : (name, Decomposed(name, stored, change));
                whole.Values.AsSpan(first, values.Length).CopyTo(values);
            }
        }
    }

    /// <summary>Of the source below, as F32.</summary>
    void ReadPlain(string name, Shape stored, Span<float> values, int first)
    {
        inner.TryFind(name, stored, out _, out DType type);
        if (type == DType.F32)
        {
            inner.Read(name, stored, MemoryMarshal.AsBytes(values), (long)first * sizeof(float));
            return;
        }

        var small = new byte[values.Length * type.Size()];
        inner.Read(name, stored, small, (long)first * type.Size());
        Numbers.ToFloat(small, type, values);
    }

    float[] Decomposed(string name, Shape stored, LoraChange change)
    {
        var values = new float[stored.Count];
        ReadPlain(name, stored, values, 0);
        float[] changed = [.. values];
        Add(changed, 0, change.Delta, change.Scale);
        Bring(changed, change, stored);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] += (float)factor * (changed[i] - values[i]);
        }

        return values;
    }

    static void Add(Span<float> weight, int firstRow, LoraDelta delta, float scale)
    {
        var scratch = new float[delta.Columns];
        for (int row = 0; row < weight.Length / delta.Columns; row++)
        {
            delta.Add(firstRow + row, scale, weight.Slice(row * delta.Columns, delta.Columns), scratch);
        }
    }

    /// <summary>Gives each row, or each column (an input, with all of its filter), the length that the magnitudes say.</summary>
    static void Bring(float[] weight, LoraChange change, Shape shape)
    {
        int columns = weight.Length / shape[0];
        int area = change.OfColumns ? columns / shape[1] : columns;
        var squares = new double[change.Magnitudes!.Length];
        int Group(int i) => change.OfColumns ? i % columns / area : i / columns;
        for (int i = 0; i < weight.Length; i++)
        {
            squares[Group(i)] += (double)weight[i] * weight[i];
        }

        double[] factors = [.. squares.Select((square, i) => square > 0 ? change.Magnitudes[i] / Math.Sqrt(square) : 1)];
        for (int i = 0; i < weight.Length; i++)
        {
            weight[i] = (float)(weight[i] * factors[Group(i)]);
        }
    }
}
