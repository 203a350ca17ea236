using System.Numerics.Tensors;

namespace JeDi.Models;

/// <summary>The change of a weight, seen as a matrix [rows, columns] of outputs and everything else, before any scale.</summary>
abstract class LoraDelta(int rows, int columns)
{
    public int Rows => rows;

    public int Columns => columns;

    /// <summary>Row <paramref name="row"/> of the change.</summary>
    public abstract void Row(int row, Span<float> to);

    /// <summary>Adds <paramref name="scale"/> times row <paramref name="row"/> of the change.</summary>
    /// <param name="scratch">Room for a row.</param>
    public virtual void Add(int row, float scale, Span<float> to, Span<float> scratch)
    {
        Row(row, scratch);
        TensorPrimitives.MultiplyAdd(scratch, scale, to, to);
    }
}

/// <summary>A matrix, row-major.</summary>
sealed class Full(int rows, int columns, float[] values) : LoraDelta(rows, columns)
{
    public override void Row(int row, Span<float> to) => values.AsSpan(row * Columns, Columns).CopyTo(to);

    /// <summary>The same values of any other form.</summary>
    public static float[] Values(LoraDelta delta)
    {
        var values = new float[delta.Rows * delta.Columns];
        for (int row = 0; row < delta.Rows; row++)
        {
            delta.Row(row, values.AsSpan(row * delta.Columns, delta.Columns));
        }

        return values;
    }
}

/// <summary>up [rows, rank] times down [rank, columns].</summary>
sealed class Product(int rows, int columns, int rank, float[] up, float[] down) : LoraDelta(rows, columns)
{
    public override void Row(int row, Span<float> to)
    {
        to.Clear();
        for (int r = 0; r < rank; r++)
        {
            TensorPrimitives.MultiplyAdd(down.AsSpan(r * Columns, Columns), up[row * rank + r], to, to);
        }
    }

    public override void Add(int row, float scale, Span<float> to, Span<float> scratch)
    {
        for (int r = 0; r < rank; r++)
        {
            TensorPrimitives.MultiplyAdd(down.AsSpan(r * Columns, Columns), scale * up[row * rank + r], to, to);
        }
    }
}

/// <summary>Two changes multiplied element by element (LoHa: Hadamard product of two products).</summary>
sealed class Hadamard(LoraDelta first, LoraDelta second) : LoraDelta(first.Rows, first.Columns)
{
    readonly float[] other = new float[first.Columns];

    public override void Row(int row, Span<float> to)
    {
        first.Row(row, to);
        lock (other)
        {
            second.Row(row, other);
            TensorPrimitives.Multiply(to, other, to);
        }
    }
}

/// <summary>Every element of the first times the whole second (LoKr: Kronecker product).</summary>
sealed class Kronecker(LoraDelta first, LoraDelta second) : LoraDelta(first.Rows * second.Rows, first.Columns * second.Columns)
{
    readonly float[] outer = Full.Values(first);
    readonly float[] inner = Full.Values(second);

    public override void Row(int row, Span<float> to)
    {
        ReadOnlySpan<float> block = inner.AsSpan(row % second.Rows * second.Columns, second.Columns);
        for (int i = 0; i < first.Columns; i++)
        {
            float factor = outer[row / second.Rows * first.Columns + i];
            TensorPrimitives.Multiply(block, factor, to.Slice(i * second.Columns, second.Columns));
        }
    }
}
