namespace JeDi.Tensors.Planning;

/// <summary>Computes nothing: a rehearsed step has a backward half, too, and its scratch memory.</summary>
sealed class PlanGradients(PlanDevice plan) : Gradients
{
    public override void Gemm(
        Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Parameter w, Tensor preActivation, Activation activation,
        bool add) =>
        plan.NoteGradient(w, dy.Shape.WithLast(w.Shape[1]), default, dx.Exists, dw.Exists);

    public override void Activate(Tensor y, Tensor preActivation, Activation activation)
    {
    }

    public override void Conv2d(
        Tensor dx, Tensor dw, Tensor dbias, Tensor drowBias, Tensor dy, Tensor x, Parameter w, ConvGeometry geometry, bool add) =>
        plan.NoteGradient(w, x.Shape, geometry, dx.Exists, dw.Exists);

    public override void GroupNorm(
        Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, Tensor shift, int groups,
        bool silu, bool add)
    {
    }

    public override void LayerNorm(
        Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, bool add)
    {
    }

    public override void Attention(
        Tensor dq, Tensor dk, Tensor dv, Tensor dbias, Tensor dy, Tensor q, Tensor k, Tensor v, Tensor y, Tensor logSumExp,
        int heads, AttentionSets sets, Tensor bias, bool causal, bool add)
    {
    }

    public override void Add(Tensor da, Tensor db, Tensor dy, bool add)
    {
    }

    public override void Concat(Tensor da, Tensor db, Tensor dy, bool add)
    {
    }

    public override void Embed(Tensor dtable, Tensor dy, Tensor ids)
    {
    }

    public override void Blend(Tensor da, Tensor db, Tensor dy, Tensor mask, bool add)
    {
    }

    public override void SquaredError(Tensor loss, Tensor dprediction, Tensor prediction, Tensor target, Tensor weight)
    {
    }

    public override void SplitMoments(Tensor dmoments, Tensor dmean, Tensor dlogVariance, Tensor moments, bool add)
    {
    }

    public override void SampleGaussian(Tensor z, Tensor mean, Tensor logVariance, Tensor noise)
    {
    }

    public override void SampleGaussianBackward(
        Tensor dmean, Tensor dlogVariance, Tensor dz, Tensor logVariance, Tensor noise, bool add)
    {
    }

    public override void Divergence(
        Tensor loss, Tensor dmean, Tensor dlogVariance, Tensor mean, Tensor logVariance, Tensor weight, bool add)
    {
    }

    public override void Clip(Tensor norm, Tensor bound, ReadOnlySpan<Tensor> gradients)
    {
    }

    public override void AdamW(
        Tensor value, Tensor first, Tensor second, Tensor average, Tensor gradient, Tensor norm, Tensor settings)
    {
    }
}
