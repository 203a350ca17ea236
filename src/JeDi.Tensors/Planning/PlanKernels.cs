namespace JeDi.Tensors.Planning;

/// <summary>Computes nothing; notes what the real kernels would prepare at their first run.</summary>
sealed class PlanKernels(PlanDevice plan) : Kernels
{
    public override void Gemm(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation, Tensor preActivation)
    {
    }

    public override void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, bool relu) =>
        plan.Prepare(w, x.Shape, geometry);

    public override void GroupNorm(
        Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu, Tensor statistics)
    {
    }

    public override void LayerNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, float eps, Tensor statistics)
    {
    }

    public override void Attention(
        Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal, Tensor logSumExp)
    {
    }

    public override void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias)
    {
    }

    public override void Add(Tensor y, Tensor a, Tensor b)
    {
    }

    public override void Concat(Tensor y, Tensor a, Tensor b)
    {
    }

    public override void Embed(Tensor y, Tensor table, Tensor ids)
    {
    }

    public override void TimestepEmbedding(Tensor y, Tensor t)
    {
    }

    public override void Combine(Tensor y, Tensor c, ReadOnlySpan<Tensor> x)
    {
    }

    public override void PackInput(Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout)
    {
    }

    public override void Rescale(Tensor y, Tensor guided, Tensor conditional, Tensor amount)
    {
    }

    public override void Blend(Tensor y, Tensor mask, Tensor a, Tensor b)
    {
    }

    public override void SplitMoments(Tensor mean, Tensor logVariance, Tensor moments)
    {
    }

    public override void Copy(Tensor y, Tensor x, float limit)
    {
    }
}
