namespace JeDi.Tensors;

/// <summary>
/// The backward seam: for each operation of <see cref="Kernels"/> that training differentiates a method of the same name, and what only
/// training computes (losses, sampling, the optimiser). A device may have none (<see cref="Device.Gradients"/>).
/// Results come first; dx is the gradient of the loss with respect to x and has the shape of x. An absent result is not computed.
/// Gradients of parameters always add (+=), to tensors in the layout of the stored value, and are F32; they are summed image by image in
/// order (the leading dimension of dy counts images), so that one call with four images and four calls with one image give equal bits,
/// whatever the threads.
/// Gradients of inputs are assigned, or added where <c>add</c> is true, to all input gradients of the call alike.
/// A residual has no method's part: its gradient is dy itself. A result may not overlap an input unless the method says so.
/// Nothing managed is allocated.
/// </summary>
public abstract class Gradients
{
    /// <summary>
    /// Of y = act(x w^T + bias) + residual, with p = x w^T + bias and dp = dy act'(p):
    /// dx (+)= dp w, dw += dp^T x, dbias += column sums of dp.
    /// dy [M, N] ([M, n] with GEGLU, where w is [2n, K] and p = [h, g]: dh = dy gelu(g), dg = dy h gelu'(g)); x [M, K], w [N, K].
    /// </summary>
    /// <param name="preActivation">
    /// p [M, N] ([M, 2n]) as the forward operation saved it; absent without activation. Overwritten: it holds dp afterwards.
    /// </param>
    /// <param name="x">Only read for dw; may be absent without it.</param>
    public abstract void Gemm(
        Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Parameter w, Tensor preActivation, Activation activation, bool add);

    /// <summary>
    /// y = act(p): the end of a product whose sum before the activation has several parts. p [M, N] ([M, 2n] = [h, g] with GEGLU,
    /// y [M, n]).
    /// </summary>
    public abstract void Activate(Tensor y, Tensor preActivation, Activation activation);

    /// <summary>
    /// Of y = conv(x, w) + bias + rowBias[image] + residual: dx (+)= the transposed convolution of dy, dw += the correlation of dy and x,
    /// dbias += sums of dy over images and pixels, drowBias (+)= sums over pixels [B, O].
    /// dy [B, H', W', O], x [B, H, W, I], w and dw [O, k, k, I].
    /// </summary>
    /// <param name="x">Its numbers are only read for dw; its shape is that of dx.</param>
    public abstract void Conv2d(
        Tensor dx, Tensor dw, Tensor dbias, Tensor drowBias, Tensor dy, Tensor x, Parameter w, ConvGeometry geometry, bool add);

    /// <summary>
    /// Of y = act(n scale + shift), n = (x - mean) r: with dn = dy act'(n scale + shift) scale, means over the m values of a group,
    /// dx (+)= r (dn - mean(dn) - n mean(dn n)), dscale += sum of dy act' n, dshift += sum of dy act'.
    /// x, dy [B, pixels.., C].
    /// </summary>
    /// <param name="statistics">[B, groups, 2]: mean and r = 1 / sqrt(var + eps), as the forward operation saved them.</param>
    public abstract void GroupNorm(
        Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, Tensor shift, int groups, bool silu,
        bool add);

    /// <summary>The same over the last dimension, without activation; x, dy [B, .., C].</summary>
    /// <param name="statistics">[rows, 2]: mean and 1 / sqrt(var + eps), as the forward operation saved them.</param>
    public abstract void LayerNorm(
        Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, bool add);

    /// <summary>
    /// Of y = softmax(q k^T / sqrt(d) + bias) v for each head, with P = exp(q k^T / sqrt(d) + bias - logSumExp) made again,
    /// D = row sums of dy y and dS = P (dy v^T - D): dq (+)= dS k / sqrt(d), dk (+)= dS^T q / sqrt(d), dv (+)= P^T dy,
    /// dbias += sums of dS over queries and heads (and, where a bias is an image's, over its keys).
    /// Sets as in the forward operation; where several sets see the same keys, their parts of dk and dv are added in the order of the
    /// sets. Keys that no set sees get 0.
    /// </summary>
    /// <param name="y">The forward result.</param>
    /// <param name="logSumExp">[Bq, heads, Lq], as the forward operation saved it; -infinity where all keys are dropped.</param>
    public abstract void Attention(
        Tensor dq, Tensor dk, Tensor dv, Tensor dbias, Tensor dy, Tensor q, Tensor k, Tensor v, Tensor y, Tensor logSumExp, int heads,
        AttentionSets sets, Tensor bias, bool causal, bool add);

    /// <summary>
    /// Of y = a + b, where b repeats: da (+)= dy, db (+)= sums of dy over the repetitions, in order. da may be dy if it is assigned.
    /// </summary>
    public abstract void Add(Tensor da, Tensor db, Tensor dy, bool add);

    /// <summary>
    /// Of y = [a, b] along the last dimension: each part of dy, (+)=; a part that had a single row gets the sum over the rows, in order.
    /// </summary>
    public abstract void Concat(Tensor da, Tensor db, Tensor dy, bool add);

    /// <summary>Of y[i] = table[ids[i]]: dtable[ids[i]] += dy[i], in order of i; F32, ids I32.</summary>
    public abstract void Embed(Tensor dtable, Tensor dy, Tensor ids);

    /// <summary>Of y = mask a + (1 - mask) b: da (+)= mask dy, db (+)= (1 - mask) dy; mask [B, H, W, 1]. It has no gradient.</summary>
    public abstract void Blend(Tensor da, Tensor db, Tensor dy, Tensor mask, bool add);

    /// <summary>
    /// Weighted squared error of each image: loss[b] = weight[b] / n sum (prediction - target)^2 over the n values of an image,
    /// dprediction = 2 weight[b] / n (prediction - target), assigned; all F32. A mean over images stands in the weights [B].
    /// </summary>
    public abstract void SquaredError(Tensor loss, Tensor dprediction, Tensor prediction, Tensor target, Tensor weight);

    /// <summary>
    /// Of the parts of moments = [mean, log-variance]: dmoments (+)= [dmean, dlogVariance], the second part 0 where the log-variance is
    /// beyond what it is held within. An absent gradient is 0.
    /// </summary>
    public abstract void SplitMoments(Tensor dmoments, Tensor dmean, Tensor dlogVariance, Tensor moments, bool add);

    /// <summary>A draw from a Gaussian latent: z = mean + exp(v / 2) noise, v the log-variance; all of one shape.</summary>
    public abstract void SampleGaussian(Tensor z, Tensor mean, Tensor logVariance, Tensor noise);

    /// <summary>Of <see cref="SampleGaussian"/>: dmean (+)= dz, dlogVariance (+)= dz noise exp(v / 2) / 2.</summary>
    public abstract void SampleGaussianBackward(
        Tensor dmean, Tensor dlogVariance, Tensor dz, Tensor logVariance, Tensor noise, bool add);

    /// <summary>
    /// Divergence of a Gaussian latent from the unit one, of each image: loss[b] = weight[b] / 2 sum (mean^2 + exp(v) - 1 - v);
    /// dmean (+)= weight[b] mean, dlogVariance (+)= weight[b] (exp(v) - 1) / 2. weight [B].
    /// </summary>
    public abstract void Divergence(
        Tensor loss, Tensor dmean, Tensor dlogVariance, Tensor mean, Tensor logVariance, Tensor weight, bool add);

    /// <summary>
    /// Length of all gradients together and what shortens it: norm [2] = [|g|, min(1, bound[0] / (|g| + 1e-6))]; summed in an
    /// order that nothing changes. bound F32 [1] on the device; the factor is not a number where the length is none.
    /// </summary>
    public abstract void Clip(Tensor norm, Tensor bound, ReadOnlySpan<Tensor> gradients);

    /// <summary>
    /// One update with decoupled weight decay (Loshchilov and Hutter, 2019) of a flat run of values, with g = norm[1] gradient:
    /// first = b1 first + (1 - b1) g, second = b2 second + (1 - b2) g^2,
    /// value = value (1 - rate decay) - rate / c1 first / (sqrt(second) / sqrt(c2) + eps), average = e average + (1 - e) value.
    /// </summary>
    /// <param name="average">Exponential average of the values; absent: none is kept.</param>
    /// <param name="norm">As <see cref="Clip"/> made it; absent: g = gradient.</param>
    /// <param name="settings">F32 [8] on the device: rate, b1, b2, eps, decay, c1 = 1 - b1^t, c2 = 1 - b2^t, e.</param>
    public abstract void AdamW(
        Tensor value, Tensor first, Tensor second, Tensor average, Tensor gradient, Tensor norm, Tensor settings);
}
