using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Weights of another source with a LoRA merged in: W + factor * alpha / r * up * down, in F32. Filters are seen as matrices
/// [o, i * k * k].
/// </summary>
sealed class LoraSource(IWeightSource inner, Component component, LoraFile lora, double factor) : IWeightSource
{
    public string Origin => inner.Origin;

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        if (!inner.TryFind(name, wanted, out stored, out type))
        {
            return false;
        }

        if (lora.Find(component, name) is LoraFactors change)
        {
            type = DType.F32;
            Check(name, stored, change);
        }

        return true;
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

    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        if (lora.Find(component, name) is not LoraFactors change)
        {
            inner.Read(name, stored, destination, from);
            return;
        }

        Span<float> values = MemoryMarshal.Cast<byte, float>(destination);
        inner.TryFind(name, stored, out _, out DType type);
        long first = from / sizeof(float);
        if (type == DType.F32)
        {
            inner.Read(name, stored, destination, from);
        }
        else
        {
            var small = new byte[values.Length * type.Size()];
            inner.Read(name, stored, small, first * type.Size());
            Numbers.ToFloat(small, type, values);
        }

        int columns = (int)(stored.Count / stored[0]);
        Merge(values, (int)(first / columns), columns, change, (float)(factor * (change.Alpha ?? change.Rank) / change.Rank));
    }

    static void Merge(Span<float> weight, int firstRow, int columns, LoraFactors change, float scale)
    {
        for (int row = 0; row < weight.Length / columns; row++)
        {
            Span<float> to = weight.Slice(row * columns, columns);
            for (int r = 0; r < change.Rank; r++)
            {
                float up = scale * change.Up![(firstRow + row) * change.Rank + r];
                TensorPrimitives.MultiplyAdd(change.Down.AsSpan(r * columns, columns), up, to, to);
            }
        }
    }

    void Check(string name, Shape stored, LoraFactors change)
    {
        long columns = stored.Count / Math.Max(1, stored[0]);
        if (change.Rank < 1 || change.Down!.Length != change.Rank * columns || change.Up!.Length != (long)change.Rank * stored[0])
        {
            throw new CheckpointException($"{lora.Path}: the factors for '{name}' {stored} have {change.Up!.Length} and "
                + $"{change.Down!.Length} values at rank {change.Rank}; is it a LoRA for another size of model?");
        }
    }
}
