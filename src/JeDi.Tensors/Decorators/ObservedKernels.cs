namespace JeDi.Tensors.Decorators;

/// <summary>Passes every operation on, with a look before and after: the base of the decorators.</summary>
public abstract partial class ObservedKernels(Kernels inner) : Kernels
{
    /// <summary>Called before an operation; the result is handed to <see cref="Leave"/>.</summary>
    protected abstract long Enter(string op);

    /// <summary>Called after an operation with its result tensor and its main input.</summary>
    protected abstract void Leave(string op, long entered, Tensor result, Tensor input);

    /// <inheritdoc/>
    public override void Gemm(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation, Tensor preActivation)
    {
        long entered = Enter(nameof(Gemm));
        inner.Gemm(y, x, w, bias, residual, activation, preActivation);
        Leave(nameof(Gemm), entered, y, x);
    }

    /// <inheritdoc/>
    public override void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, bool relu)
    {
        long entered = Enter(nameof(Conv2d));
        inner.Conv2d(y, x, w, bias, rowBias, residual, geometry, relu);
        Leave(nameof(Conv2d), entered, y, x);
    }

    /// <inheritdoc/>
    public override void GroupNorm(
        Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu, Tensor statistics)
    {
        long entered = Enter(nameof(GroupNorm));
        inner.GroupNorm(y, x, scale, shift, groups, eps, silu, statistics);
        Leave(nameof(GroupNorm), entered, y, x);
    }

    /// <inheritdoc/>
    public override void LayerNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, float eps, Tensor statistics)
    {
        long entered = Enter(nameof(LayerNorm));
        inner.LayerNorm(y, x, scale, shift, eps, statistics);
        Leave(nameof(LayerNorm), entered, y, x);
    }

    /// <inheritdoc/>
    public override void Attention(
        Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal, Tensor logSumExp)
    {
        long entered = Enter(nameof(Attention));
        inner.Attention(y, q, k, v, heads, sets, bias, causal, logSumExp);
        Leave(nameof(Attention), entered, y, q);
    }

    /// <inheritdoc/>
    public override void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias)
    {
        long entered = Enter(nameof(AttentionMap));
        inner.AttentionMap(map, q, k, heads, bias);
        Leave(nameof(AttentionMap), entered, map, q);
    }

    /// <inheritdoc/>
    public override void Add(Tensor y, Tensor a, Tensor b)
    {
        long entered = Enter(nameof(Add));
        inner.Add(y, a, b);
        Leave(nameof(Add), entered, y, a);
    }

    /// <inheritdoc/>
    public override void Concat(Tensor y, Tensor a, Tensor b)
    {
        long entered = Enter(nameof(Concat));
        inner.Concat(y, a, b);
        Leave(nameof(Concat), entered, y, a);
    }

    /// <inheritdoc/>
    public override void Embed(Tensor y, Tensor table, Tensor ids)
    {
        long entered = Enter(nameof(Embed));
        inner.Embed(y, table, ids);
        Leave(nameof(Embed), entered, y, table);
    }

    /// <inheritdoc/>
    public override void TimestepEmbedding(Tensor y, Tensor t)
    {
        long entered = Enter(nameof(TimestepEmbedding));
        inner.TimestepEmbedding(y, t);
        Leave(nameof(TimestepEmbedding), entered, y, t);
    }

    /// <inheritdoc/>
    public override void Combine(Tensor y, Tensor c, ReadOnlySpan<Tensor> x)
    {
        long entered = Enter(nameof(Combine));
        inner.Combine(y, c, x);
        Leave(nameof(Combine), entered, y, c);
    }

    /// <inheritdoc/>
    public override void PackInput(Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout)
    {
        long entered = Enter(nameof(PackInput));
        inner.PackInput(y, noisy, clean, mask, scale, layout);
        Leave(nameof(PackInput), entered, y, noisy);
    }

    /// <inheritdoc/>
    public override void Rescale(Tensor y, Tensor guided, Tensor conditional, Tensor amount)
    {
        long entered = Enter(nameof(Rescale));
        inner.Rescale(y, guided, conditional, amount);
        Leave(nameof(Rescale), entered, y, guided);
    }

    /// <inheritdoc/>
    public override void Blend(Tensor y, Tensor mask, Tensor a, Tensor b)
    {
        long entered = Enter(nameof(Blend));
        inner.Blend(y, mask, a, b);
        Leave(nameof(Blend), entered, y, mask);
    }

    /// <inheritdoc/>
    public override void SplitMoments(Tensor mean, Tensor logVariance, Tensor moments)
    {
        long entered = Enter(nameof(SplitMoments));
        inner.SplitMoments(mean, logVariance, moments);
        Leave(nameof(SplitMoments), entered, mean, moments);
    }

    /// <inheritdoc/>
    public override void Copy(Tensor y, Tensor x, float limit)
    {
        long entered = Enter(nameof(Copy));
        inner.Copy(y, x, limit);
        Leave(nameof(Copy), entered, y, x);
    }
}
