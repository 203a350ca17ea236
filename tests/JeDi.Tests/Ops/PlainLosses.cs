using System.Numerics;
using JeDi.Tensors;

namespace JeDi.Tests.Operations;

/// <summary>The losses, and the draw that one of them needs, by their formulas; nothing goes back here.</summary>
sealed class PlainLosses<T>(PlainDevice<T> device) : Gradients where T : IFloatingPointIeee754<T>
{
    public override void SquaredError(Tensor loss, Tensor dprediction, Tensor prediction, Tensor target, Tensor weight)
    {
        (T[] p, T[] t, T[] w) = (device.Take(prediction), device.Take(target), device.Take(weight));
        int each = p.Length / w.Length;
        for (int image = 0; image < w.Length; image++)
        {
            T sum = T.Zero;
            for (int i = image * each; i < (image + 1) * each; i++)
            {
                sum += (p[i] - t[i]) * (p[i] - t[i]);
            }

            device.Of(loss)[image] = w[image] / T.CreateChecked(each) * sum;
        }
    }

    public override void SampleGaussian(Tensor z, Tensor mean, Tensor logVariance, Tensor noise)
    {
        (T[] m, T[] v, T[] n) = (device.Take(mean), device.Take(logVariance), device.Take(noise));
        for (int i = 0; i < m.Length; i++)
        {
            device.Of(z)[i] = m[i] + T.Exp(v[i] / T.CreateChecked(2)) * n[i];
        }
    }

    public override void Divergence(
        Tensor loss, Tensor dmean, Tensor dlogVariance, Tensor mean, Tensor logVariance, Tensor weight, bool add)
    {
        (T[] m, T[] v, T[] w) = (device.Take(mean), device.Take(logVariance), device.Take(weight));
        int each = m.Length / w.Length;
        for (int image = 0; image < w.Length; image++)
        {
            T sum = T.Zero;
            for (int i = image * each; i < (image + 1) * each; i++)
            {
                sum += m[i] * m[i] + T.Exp(v[i]) - T.One - v[i];
            }

            device.Of(loss)[image] = w[image] / T.CreateChecked(2) * sum;
        }
    }

    public override void Gemm(
        Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Parameter w, Tensor preActivation, Activation activation, bool add) =>
        throw ForwardOnly();

    public override void Activate(Tensor y, Tensor preActivation, Activation activation) => throw ForwardOnly();

    public override void Conv2d(
        Tensor dx, Tensor dw, Tensor dbias, Tensor drowBias, Tensor dy, Tensor x, Parameter w, ConvGeometry geometry, bool add) =>
        throw ForwardOnly();

    public override void GroupNorm(
        Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, Tensor shift, int groups, bool silu,
        bool add) => throw ForwardOnly();

    public override void LayerNorm(
        Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, bool add) => throw ForwardOnly();

    public override void Attention(
        Tensor dq, Tensor dk, Tensor dv, Tensor dbias, Tensor dy, Tensor q, Tensor k, Tensor v, Tensor y, Tensor logSumExp, int heads,
        AttentionSets sets, Tensor bias, bool causal, bool add) => throw ForwardOnly();

    public override void Add(Tensor da, Tensor db, Tensor dy, bool add) => throw ForwardOnly();

    public override void Concat(Tensor da, Tensor db, Tensor dy, bool add) => throw ForwardOnly();

    public override void Embed(Tensor dtable, Tensor dy, Tensor ids) => throw ForwardOnly();

    public override void Blend(Tensor da, Tensor db, Tensor dy, Tensor mask, bool add) => throw ForwardOnly();

    public override void SplitMoments(Tensor dmoments, Tensor dmean, Tensor dlogVariance, Tensor moments, bool add) => throw ForwardOnly();

    public override void SampleGaussianBackward(
        Tensor dmean, Tensor dlogVariance, Tensor dz, Tensor logVariance, Tensor noise, bool add) => throw ForwardOnly();

    public override void Clip(Tensor norm, Tensor bound, ReadOnlySpan<Tensor> gradients) => throw ForwardOnly();

    public override void AdamW(
        Tensor value, Tensor first, Tensor second, Tensor average, Tensor gradient, Tensor norm, Tensor settings) => throw ForwardOnly();

    static NotSupportedException ForwardOnly() => new("plain loops have no way back: it is what they check");
}
