using System.Runtime.InteropServices;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Weights of another source with the changes of a file merged in, in F32: W + factor * scale * delta. DoRA: with V = W + scale * delta and
/// magnitudes m the merged weight is W + factor * (m V / |V| - W). Filters are seen as matrices [o, i * k * k].
/// </summary>
sealed class LoraSource(IWeightSource inner, Component component, LoraFile lora, double factor) : IWeightSource
{
    public string Origin => inner.Origin;

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        bool found = inner.TryFind(name, wanted, out stored, out type);
        type = found && lora.Find(component, name) is not null ? DType.F32 : type;
        return found;
    }

    public void Read(string name, Shape stored, Span<byte> destination)
    {
        if (lora.Find(component, name) is not LoraChange change)
        {
            inner.Read(name, stored, destination);
            return;
        }

        Span<float> values = MemoryMarshal.Cast<byte, float>(destination);
        inner.TryFind(name, stored, out _, out DType type);
        if (type == DType.F32)
        {
            inner.Read(name, stored, destination);
        }
        else
        {
            var small = new byte[stored.Count * type.Size()];
            inner.Read(name, stored, small);
            Numbers.ToFloat(small, type, values);
        }

        if (change.Magnitudes is null)
        {
            Add(values, change.Delta, (float)(factor * change.Scale));
            return;
        }

        float[] changed = values.ToArray();
        Add(changed, change.Delta, change.Scale);
        Bring(changed, change, stored);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] += (float)factor * (changed[i] - values[i]);
        }
    }

    static void Add(Span<float> weight, LoraDelta delta, float scale)
    {
        var scratch = new float[delta.Columns];
        for (int row = 0; row < delta.Rows; row++)
        {
            delta.Add(row, scale, weight.Slice(row * delta.Columns, delta.Columns), scratch);
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
