using JeDi.Tensors;

namespace JeDi.Tests.Precision;

/// <summary>
/// Operations on F32 tensors whose activations are brought to another element type before, and whose results come from it: what a device
/// of half precision computes, for whoever has F32 numbers. Operations that are F32 on every device are passed on.
/// </summary>
abstract class ConvertingKernels(Kernels inner, Device device) : Kernels, IDisposable
{
    protected Kernels Inner => inner;

    protected Arena Arena { get; } = new(device);

    /// <summary>An input in the element type.</summary>
    protected abstract Tensor In(Tensor x);

    /// <summary>Room for a result in the element type.</summary>
    protected abstract Tensor Room(Tensor y);

    /// <summary>The result as F32.</summary>
    protected abstract void Out(Tensor y, Tensor room);

    public override void Gemm(Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation, Tensor preActivation)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.Gemm(room, In(x), w, bias, In(residual), activation, preActivation);
        Out(y, room);
    }

    public override void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, bool relu)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.Conv2d(room, In(x), w, bias, In(rowBias), In(residual), geometry, relu);
        Out(y, room);
    }

    public override void GroupNorm(
        Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu, Tensor statistics)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.GroupNorm(room, In(x), scale, shift, groups, eps, silu, statistics);
        Out(y, room);
    }

    public override void LayerNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, float eps, Tensor statistics)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.LayerNorm(room, In(x), scale, shift, eps, statistics);
        Out(y, room);
    }

    public override void Attention(
        Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal, Tensor logSumExp)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.Attention(room, In(q), In(k), In(v), heads, sets, bias, causal, logSumExp);
        Out(y, room);
    }

    public override void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias)
    {
        using ArenaScope scope = Arena.Scope();
        inner.AttentionMap(map, In(q), In(k), heads, bias);
    }

    public override void Add(Tensor y, Tensor a, Tensor b)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.Add(room, In(a), In(b));
        Out(y, room);
    }

    public override void Concat(Tensor y, Tensor a, Tensor b)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.Concat(room, In(a), In(b));
        Out(y, room);
    }

    public override void TimestepEmbedding(Tensor y, Tensor t)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.TimestepEmbedding(room, t);
        Out(y, room);
    }

    public override void PackInput(Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout)
    {
        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.PackInput(room, noisy, clean, mask, scale, layout);
        Out(y, room);
    }

    public override void Embed(Tensor y, Tensor table, Tensor ids)
    {
        if (table.DType == y.DType)
        {
            inner.Embed(y, table, ids);
            return;
        }

        using ArenaScope scope = Arena.Scope();
        Tensor room = Room(y);
        inner.Embed(room, table, ids);
        Out(y, room);
    }

    public override void Combine(Tensor y, Tensor c, ReadOnlySpan<Tensor> x) => inner.Combine(y, c, x);

    public override void Rescale(Tensor y, Tensor guided, Tensor conditional, Tensor amount) =>
        inner.Rescale(y, guided, conditional, amount);

    public override void Blend(Tensor y, Tensor mask, Tensor a, Tensor b) => inner.Blend(y, mask, a, b);

    public override void SplitMoments(Tensor mean, Tensor logVariance, Tensor moments) => inner.SplitMoments(mean, logVariance, moments);

    public override void Copy(Tensor y, Tensor x, float limit) => inner.Copy(y, x, limit);

    public void Dispose() => Arena.Release();
}

/// <summary>Kernels of a device that computes in <paramref name="type"/>.</summary>
sealed class TypedKernels(Kernels inner, Device device, DType type) : ConvertingKernels(inner, device)
{
    protected override Tensor In(Tensor x)
    {
        if (!x.Exists || x.DType == type)
        {
            return x;
        }

        Tensor converted = Arena.New(x.Shape, type);
        Inner.Copy(converted, x);
        return converted;
    }

    protected override Tensor Room(Tensor y) => Arena.New(y.Shape, type);

    protected override void Out(Tensor y, Tensor room) => Inner.Copy(y, room);
}

/// <summary>Kernels of the CPU, every input and every result rounded to <paramref name="type"/>.</summary>
sealed unsafe class RoundedKernels(Kernels inner, Device device, DType type) : ConvertingKernels(inner, device)
{
    protected override Tensor In(Tensor x)
    {
        if (!x.Exists)
        {
            return x;
        }

        Tensor rounded = Arena.New(x.Shape);
        Out(rounded, x);
        return rounded;
    }

    protected override Tensor Room(Tensor y) => Arena.New(y.Shape);

    protected override void Out(Tensor y, Tensor room)
    {
        float* target = (float*)y.Address;
        float* source = (float*)room.Address;
        for (long i = 0; i < y.Count; i++)
        {
            target[i] = Rounding.To(type, source[i]);
        }
    }
}

/// <summary>Numbers as an element type keeps them.</summary>
static class Rounding
{
    /// <summary>The nearest number of the type, ties to even.</summary>
    public static float To(DType type, float value) => type switch
    {
        DType.F16 => (float)(Half)value,
        DType.BF16 => ToBrain(value),
        _ => value,
    };

    static float ToBrain(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? value : BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }
}
