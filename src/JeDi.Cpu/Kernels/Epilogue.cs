using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// What happens to the accumulators of a product on their way to memory, while they are in the cache:
/// y = act(sum + bias + rowBias) + residual, or the larger of that and 0. Absent operands are null.
/// </summary>
unsafe struct Epilogue
{
    /// <summary>Result, row-major, <see cref="Columns"/> floats a row.</summary>
    public float* Y;

    /// <summary>Columns of the result.</summary>
    public int Columns;

    /// <summary>[Columns], with GEGLU [2 Columns]: values, then gates.</summary>
    public float* Bias;

    /// <summary>As y; may be y.</summary>
    public float* Residual;

    public Activation Activation;

    /// <summary>Null, or room for sum + bias before the activation: as y, with GEGLU [2 Columns] a row, values, then gates.</summary>
    public float* PreActivation;

    /// <summary>Nothing below 0 is written.</summary>
    public bool Relu;

    /// <summary>The sums are the result.</summary>
    public readonly bool IsPlain => Bias == null && Residual == null && Activation == Activation.None && PreActivation == null && !Relu;

    /// <summary>
    /// Writes rows <paramref name="firstRow"/>.. of the result, columns of the panels from <paramref name="firstPanel"/> on.
    /// </summary>
    /// <param name="sums">Accumulators, <paramref name="pitch"/> floats from row to row.</param>
    /// <param name="rowBias">[Columns], the same for all these rows; null if absent.</param>
    public readonly void Write<V>(
        float* sums, nint pitch, long firstRow, int rows, int firstPanel, int panels, float* rowBias = null)
        where V : unmanaged, ISimd<V>
    {
        int width = Activation == Activation.Geglu ? V.TileColumns / 2 : V.TileColumns;
        int column = firstPanel * width;
        int count = Math.Min(panels * width, Columns - column);
        for (int r = 0; r < rows; r++, sums += pitch)
        {
            long offset = (firstRow + r) * Columns + column;
            float* residual = Residual == null ? null : Residual + offset;
            float* bias = Bias == null ? null : Bias + column;
            float* image = rowBias == null ? null : rowBias + column;
            if (PreActivation != null)
            {
                Save<V>(firstRow + r, column, sums, bias, image, count);
            }

            switch (Activation)
            {
                case Activation.Silu: Row<V, Silu>(Y + offset, sums, bias, image, residual, count); break;
                case Activation.Gelu: Row<V, Gelu>(Y + offset, sums, bias, image, residual, count); break;
                case Activation.QuickGelu: Row<V, QuickGelu>(Y + offset, sums, bias, image, residual, count); break;
                case Activation.Geglu: GegluRow<V>(Y + offset, sums, bias, bias + Columns, residual, count); break;
                default: Row<V, Identity>(Y + offset, sums, bias, image, residual, count); break;
            }

            if (Relu)
            {
                Rectify<V>(Y + offset, count);
            }
        }
    }

    /// <summary>A row of <see cref="PreActivation"/>, by the same additions as the result.</summary>
    readonly void Save<V>(long row, int column, float* sums, float* bias, float* rowBias, int count) where V : unmanaged, ISimd<V>
    {
        if (Activation != Activation.Geglu)
        {
            Row<V, Identity>(PreActivation + row * Columns + column, sums, bias, rowBias, null, count);
            return;
        }

        float* values = PreActivation + row * 2 * Columns + column;
        SaveGeglu<V>(values, values + Columns, sums, bias, bias + Columns, count);
    }

    /// <summary>The first register of each panel holds values, the second gates.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void SaveGeglu<V>(float* values, float* gates, float* sums, float* valueBias, float* gateBias, int count)
        where V : unmanaged, ISimd<V>
    {
        for (int i = 0; i < count; i += V.Width, sums += 2 * V.Width)
        {
            int part = Math.Min(V.Width, count - i);
            V h = V.Load(sums);
            V g = V.Load(sums + V.Width);
            if (valueBias != null)
            {
                h += V.LoadPartial(valueBias + i, part);
                g += V.LoadPartial(gateBias + i, part);
            }

            h.StorePartial(values + i, part);
            g.StorePartial(gates + i, part);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Row<V, A>(float* y, float* sums, float* bias, float* rowBias, float* residual, int count)
        where V : unmanaged, ISimd<V>
        where A : struct, IActivation
    {
        int i = 0;
        for (; i + V.Width <= count; i += V.Width)
        {
            V value = V.Load(sums + i);
            value = bias == null ? value : value + V.Load(bias + i);
            value = rowBias == null ? value : value + V.Load(rowBias + i);
            value = A.Of(value);
            value = residual == null ? value : value + V.Load(residual + i);
            value.Store(y + i);
        }

        if (i < count)
        {
            int rest = count - i;
            V value = V.LoadPartial(sums + i, rest);
            value = bias == null ? value : value + V.LoadPartial(bias + i, rest);
            value = rowBias == null ? value : value + V.LoadPartial(rowBias + i, rest);
            value = A.Of(value);
            value = residual == null ? value : value + V.LoadPartial(residual + i, rest);
            value.StorePartial(y + i, rest);
        }
    }

    /// <summary>y = max(y, 0), a row that is in the cache still; NaN stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Rectify<V>(float* y, int count) where V : unmanaged, ISimd<V>
    {
        int i = 0;
        for (; i + V.Width <= count; i += V.Width)
        {
            V.Max(V.Zero, V.Load(y + i)).Store(y + i);
        }

        V.Max(V.Zero, V.LoadPartial(y + i, count - i)).StorePartial(y + i, count - i);
    }

    /// <summary>y = h gelu(g); the first register of each panel holds h, the second g.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void GegluRow<V>(float* y, float* sums, float* valueBias, float* gateBias, float* residual, int count)
        where V : unmanaged, ISimd<V>
    {
        for (int i = 0; i < count; i += V.Width, sums += 2 * V.Width)
        {
            int part = Math.Min(V.Width, count - i);
            V h = V.Load(sums);
            V g = V.Load(sums + V.Width);
            if (valueBias != null)
            {
                h += V.LoadPartial(valueBias + i, part);
                g += V.LoadPartial(gateBias + i, part);
            }

            V value = h * SimdMath.Gelu(g);
            value = residual == null ? value : value + V.LoadPartial(residual + i, part);
            value.StorePartial(y + i, part);
        }
    }
}
