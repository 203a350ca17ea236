using System.Numerics;
using JeDi.Tensors;

namespace JeDi.Tests.Operations;

/// <summary>The op seam by the loops of <see cref="Plain{T}"/>: what text encoder, autoencoder and U-Net call when they learn.</summary>
sealed class PlainKernels<T>(PlainDevice<T> device) : Kernels where T : IFloatingPointIeee754<T>
{
    public override void Gemm(Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation, Tensor preActivation)
    {
        int k = w.Shape[1];
        Put(y, Plain<T>.Gemm(
            device.Take(x), device.Take(w.Value), device.TakeOrNull(bias), device.TakeOrNull(residual), (int)(x.Count / k), w.Shape[0], k,
            activation));
    }

    public override void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, bool relu)
    {
        Assert.That(relu, Is.False, "a convolution of the tiny autoencoder");
        Put(y, Plain<T>.Conv2d(
            device.Take(x), device.Take(w.Value), device.TakeOrNull(bias), device.TakeOrNull(rowBias), device.TakeOrNull(residual), x.Shape,
            w.Shape[0], w.Shape[1], geometry));
    }

    public override void GroupNorm(
        Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu, Tensor statistics) =>
        Put(y, Plain<T>.GroupNorm(device.Take(x), device.Take(scale), device.Take(shift), x.Shape[0], groups, eps, silu));

    public override void LayerNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, float eps, Tensor statistics) =>
        Put(y, Plain<T>.LayerNorm(device.Take(x), device.Take(scale), device.Take(shift), eps));

    public override void Attention(
        Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal, Tensor logSumExp)
    {
        Assert.That(bias.Exists, Is.False, "references are not weighted while a network learns");
        int channels = q.Shape[-1];
        int count = sets.Queries.Exists ? (int)sets.Queries.Count - 1 : q.Shape[0];
        for (int set = 0; set < count; set++)
        {
            T[] part = Plain<T>.Attention(
                Images(q, sets.Queries, set), Images(k, sets.Keys, set), Images(v, sets.Keys, set), channels, heads, null, causal);
            part.CopyTo(device.Of(Part(y, sets.Queries, set)));
        }
    }

    public override void Add(Tensor y, Tensor a, Tensor b)
    {
        T[] right = device.Take(b);
        Put(y, [.. device.Take(a).Select((value, i) => value + right[i % right.Length])]);
    }

    public override void Concat(Tensor y, Tensor a, Tensor b)
    {
        T[][] left = [.. device.Take(a).Chunk(a.Shape[-1])];
        T[][] right = [.. device.Take(b).Chunk(b.Shape[-1])];
        Put(y, [.. Enumerable.Range(0, Math.Max(left.Length, right.Length)).SelectMany(row =>
            left[row % left.Length].Concat(right[row % right.Length]))]);
    }

    public override void Embed(Tensor y, Tensor table, Tensor ids)
    {
        T[][] entries = [.. device.Take(table).Chunk((int)(table.Count / table.Shape[0]))];
        Put(y, [.. device.Take(ids).SelectMany(id => entries[int.CreateChecked(id)])]);
    }

    public override void TimestepEmbedding(Tensor y, Tensor t)
    {
        int half = y.Shape[-1] / 2;
        Put(y, [.. device.Take(t).SelectMany(time => Enumerable.Range(0, 2 * half).Select(i =>
        {
            double angle = double.CreateChecked(time) * Math.Exp(-Math.Log(10000) * (i % half) / half);
            return T.CreateChecked(i < half ? Math.Cos(angle) : Math.Sin(angle));
        }))]);
    }

    public override void SplitMoments(Tensor mean, Tensor logVariance, Tensor moments)
    {
        int channels = mean.Shape[-1];
        T[] both = device.Take(moments);
        Put(mean, [.. both.Where((_, i) => i % (2 * channels) < channels)]);
        Put(logVariance, [.. both.Where((_, i) => i % (2 * channels) >= channels).Select(value =>
            T.Clamp(value, T.CreateChecked(LeastLogVariance), T.CreateChecked(MostLogVariance)))]);
    }

    public override void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias) => throw NotCalled();

    public override void Combine(Tensor y, Tensor c, ReadOnlySpan<Tensor> x) => throw NotCalled();

    public override void PackInput(Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout) =>
        throw NotCalled();

    public override void Rescale(Tensor y, Tensor guided, Tensor conditional, Tensor amount) => throw NotCalled();

    public override void Blend(Tensor y, Tensor mask, Tensor a, Tensor b) => throw NotCalled();

    public override void Copy(Tensor y, Tensor x, float limit) => throw NotCalled();

    static NotSupportedException NotCalled() => new("no network calls it while it learns");

    void Put(Tensor y, T[] values)
    {
        Assert.That(values, Has.Length.EqualTo(y.Count));
        values.CopyTo(device.Of(y));
    }

    T[] Images(Tensor x, Tensor bounds, int set) => device.Take(Part(x, bounds, set));

    /// <summary>The images of a set; without bounds each image is one.</summary>
    Tensor Part(Tensor x, Tensor bounds, int set)
    {
        if (!bounds.Exists)
        {
            return x.Rows(set, 1);
        }

        Span<T> ends = device.Of(bounds);
        int first = int.CreateChecked(ends[set]);
        return x.Rows(first, int.CreateChecked(ends[set + 1]) - first);
    }
}
