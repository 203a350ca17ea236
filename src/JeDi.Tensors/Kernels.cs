namespace JeDi.Tensors;

/// <summary>Element-wise end of a <see cref="Kernels.Gemm"/>.</summary>
public enum Activation
{
    /// <summary>x.</summary>
    None,

    /// <summary>x sigmoid(x).</summary>
    Silu,

    /// <summary>x Phi(x) with the exact error function.</summary>
    Gelu,

    /// <summary>x sigmoid(1.702 x), as in CLIP.</summary>
    QuickGelu,

    /// <summary>h gelu(g) of [h, g] = the 2n columns: halves the width.</summary>
    Geglu,
}

/// <summary>How a convolution meets the border.</summary>
public enum Padding
{
    /// <summary>kernel / 2 zeros on every side.</summary>
    Same,

    /// <summary>One zero column right and one zero row below (the VAE encoder's down-sampling).</summary>
    RightBottom,

    /// <summary>None: the patch convolution of vision transformers.</summary>
    None,
}

/// <summary>Stride, border and input scaling of a convolution.</summary>
/// <param name="Stride">Distance of neighbouring outputs in the (up-sampled) input.</param>
/// <param name="Padding">Border rule.</param>
/// <param name="Upsample">The input is first doubled in height and width by repetition (nearest).</param>
public readonly record struct ConvGeometry(int Stride = 1, Padding Padding = Padding.Same, bool Upsample = false)
{
    /// <summary>Output height (or width) for an input height (or width).</summary>
    public int OutputSize(int input, int kernel)
    {
        int size = Upsample ? 2 * input : input;
        int padded = Padding switch
        {
            Padding.Same => size + kernel / 2 * 2,
            Padding.RightBottom => size + 1,
            _ => size,
        };
        return (padded - kernel) / Stride + 1;
    }
}

/// <summary>
/// Which images share their keys: set s holds the query images Queries[s] .. Queries[s+1] and the key images Keys[s] .. Keys[s+1]
/// (both I32 [sets + 1], as FlashAttention's cu_seqlens, but counted in images). The default: every image attends to itself alone.
/// Queries and Keys differ where only some images of a set ask (in some sets none), or where many images share one prompt's keys.
/// </summary>
public readonly record struct AttentionSets(Tensor Queries, Tensor Keys);

/// <summary>Order of the U-Net's input channels.</summary>
public enum InputLayout
{
    /// <summary>4 channels: the noisy latent (plain Stable Diffusion).</summary>
    Noisy,

    /// <summary>mask (1), noisy (4), clean * (1 - mask) (4): JeDi.</summary>
    MaskNoisyClean,

    /// <summary>noisy (4), mask (1), clean * (1 - mask) (4): the usual inpainting checkpoints.</summary>
    NoisyMaskClean,
}

/// <summary>
/// The op seam: everything a device computes. Results come first, nothing is allocated, shapes are already checked (by
/// <see cref="Ops"/>). Activations are [N, H, W, C] = [N, H*W, C], accumulation and statistics are F32.
/// In one call all activations have one element type T (F32, F16 or BF16); a device may know F32 alone. Bias and norm vectors, latents,
/// predictions, key biases, timesteps, coefficients and attention maps are F32 whatever T is. A result may be F32 where x is T: at the
/// ends of the networks. <see cref="Copy"/> converts.
/// An absent tensor (default) means "without": no bias, no residual.
/// A result may not overlap an input unless the method says so.
/// </summary>
public abstract class Kernels
{
    /// <summary>A log-variance below this one is taken for it.</summary>
    public const float LeastLogVariance = -30;

    /// <summary>A log-variance above this one is taken for it.</summary>
    public const float MostLogVariance = 20;

    /// <summary>
    /// y = act(x w^T + bias) + residual; x [M, K], w [N, K], y [M, N] (with <see cref="Activation.Geglu"/> w is [2n, K], y [M, n]).
    /// y may be the residual.
    /// </summary>
    /// <param name="preActivation">
    /// Wanted by <see cref="Gradients.Gemm"/>: room for x w^T + bias, [M, N] ([M, 2n]). y has equal bits with and without it.
    /// </param>
    public abstract void Gemm(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation, Tensor preActivation = default);

    /// <summary>
    /// y = conv(x, w) + bias + rowBias[image] + residual; x [B, H, W, I], w [O, k, k, I], y [B, H', W', O], rowBias [B, O].
    /// y may be the residual.
    /// </summary>
    /// <param name="relu">The larger of this and 0.</param>
    public abstract void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, bool relu = false);

    /// <summary>
    /// y = (x - mean) / sqrt(var + eps) * scale + shift over the pixels and channels of a group, then SiLU if asked; [B, pixels.., C].
    /// </summary>
    /// <param name="statistics">Wanted by <see cref="Gradients.GroupNorm"/>: mean and 1 / sqrt(var + eps), F32 [B, groups, 2].</param>
    public abstract void GroupNorm(
        Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu, Tensor statistics = default);

    /// <summary>y = (x - mean) / sqrt(var + eps) * scale + shift over the last dimension.</summary>
    /// <param name="statistics">Wanted by <see cref="Gradients.LayerNorm"/>: mean and 1 / sqrt(var + eps), F32 [rows, 2].</param>
    public abstract void LayerNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, float eps, Tensor statistics = default);

    /// <summary>
    /// y = softmax(q k^T / sqrt(d) + bias) v for each head of width d = C / heads; q, y [Bq, Lq, C], k, v [Bk, Lk, C].
    /// The queries of a set see all keys of that set. bias: absent, one value per key image [Bk] or per key [Bk, Lk]; -infinity drops a
    /// key.
    /// causal: key j is seen by query i only if j &lt;= i (sets of one image).
    /// </summary>
    /// <param name="logSumExp">
    /// Wanted by <see cref="Gradients.Attention"/>: log of the sum of exp(q k^T / sqrt(d) + bias), F32 [Bq, heads, Lq]; -infinity where
    /// all keys are dropped.
    /// </param>
    public abstract void Attention(
        Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal, Tensor logSumExp = default);

    /// <summary>
    /// map[query, key] = mean over the heads of softmax(q k^T / sqrt(d) + bias) for one set; q [Bq, Lq, C], k [Bk, Lk, C], map [Bq*Lq,
    /// Bk*Lk].
    /// </summary>
    public abstract void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias);

    /// <summary>y = a + b; b may have fewer elements: it repeats (a position table, a bias). y may be a.</summary>
    public abstract void Add(Tensor y, Tensor a, Tensor b);

    /// <summary>y = [a, b] along the last dimension; a or b may have one row, which repeats.</summary>
    public abstract void Concat(Tensor y, Tensor a, Tensor b);

    /// <summary>
    /// y[i] = table[ids[i]]: whole entries of the leading dimension; ids I32. y has the table's element type, whatever it is, or widens
    /// a table of two bytes.
    /// </summary>
    public abstract void Embed(Tensor y, Tensor table, Tensor ids);

    /// <summary>
    /// Sinusoids of real-valued timesteps t [B]: y [B, dim] = [cos(t f_i), sin(t f_i)], f_i = 10000^(-i / (dim / 2)); angles in double.
    /// </summary>
    public abstract void TimestepEmbedding(Tensor y, Tensor t);

    /// <summary>
    /// y = sum of c[i] x[i]; c F32 [count] on the device. A term whose coefficient is 0 is not read (its tensor may hold NaN).
    /// y may be any of the x.
    /// </summary>
    public abstract void Combine(Tensor y, Tensor c, ReadOnlySpan<Tensor> x);

    /// <summary>
    /// The U-Net's input y [B, H, W, 4 or 9]: noisy * scale[0], mask, clean * (1 - mask) in the order of <paramref name="layout"/>;
    /// noisy, clean [B, H, W, 4], mask [B] (1 = to be generated), scale [1].
    /// </summary>
    public abstract void PackInput(Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout);

    /// <summary>
    /// Norm-matched guidance, per image: y = guided * (r std(conditional) / std(guided) + 1 - r), r = amount[0]; y may be guided.
    /// </summary>
    public abstract void Rescale(Tensor y, Tensor guided, Tensor conditional, Tensor amount);

    /// <summary>y = mask a + (1 - mask) b; mask [B, H, W, 1] against [B, H, W, C]. y may be a or b.</summary>
    public abstract void Blend(Tensor y, Tensor mask, Tensor a, Tensor b);

    /// <summary>
    /// The Gaussian that an encoder says of each latent: moments [B, H, W, 2C] = [mean, log-variance], each part [B, H, W, C]; the
    /// log-variance is held within <see cref="LeastLogVariance"/> .. <see cref="MostLogVariance"/>.
    /// </summary>
    public abstract void SplitMoments(Tensor mean, Tensor logVariance, Tensor moments);

    /// <summary>y = x, converted where the element types differ.</summary>
    /// <param name="limit">Above 0, y = limit tanh(x / limit), and y may be x.</param>
    public abstract void Copy(Tensor y, Tensor x, float limit = 0);
}
