namespace JeDi.Tensors.Decorators;

public abstract partial class ObservedKernels
{
    /// <summary>
    /// A device's gradients under the same look before and after each operation; a backward operation is named "Gemm backward" and so on.
    /// </summary>
    public Gradients Observe(Gradients gradients) => new ObservedGradients(gradients, this);

    sealed class ObservedGradients(Gradients inner, ObservedKernels observer) : Gradients
    {
        public override void Gemm(
            Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Parameter w, Tensor preActivation, Activation activation,
            bool add)
        {
            long entered = observer.Enter("Gemm backward");
            inner.Gemm(dx, dw, dbias, dy, x, w, preActivation, activation, add);
            observer.Leave("Gemm backward", entered, dx, dy);
        }

        public override void Activate(Tensor y, Tensor preActivation, Activation activation)
        {
            long entered = observer.Enter("Activate");
            inner.Activate(y, preActivation, activation);
            observer.Leave("Activate", entered, y, preActivation);
        }

        public override void Conv2d(
            Tensor dx, Tensor dw, Tensor dbias, Tensor drowBias, Tensor dy, Tensor x, Parameter w, ConvGeometry geometry, bool add)
        {
            long entered = observer.Enter("Conv2d backward");
            inner.Conv2d(dx, dw, dbias, drowBias, dy, x, w, geometry, add);
            observer.Leave("Conv2d backward", entered, dx, dy);
        }

        public override void GroupNorm(
            Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, Tensor shift, int groups,
            bool silu, bool add)
        {
            long entered = observer.Enter("GroupNorm backward");
            inner.GroupNorm(dx, dscale, dshift, dy, x, statistics, scale, shift, groups, silu, add);
            observer.Leave("GroupNorm backward", entered, dx, dy);
        }

        public override void LayerNorm(
            Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, bool add)
        {
            long entered = observer.Enter("LayerNorm backward");
            inner.LayerNorm(dx, dscale, dshift, dy, x, statistics, scale, add);
            observer.Leave("LayerNorm backward", entered, dx, dy);
        }

        public override void Attention(
            Tensor dq, Tensor dk, Tensor dv, Tensor dbias, Tensor dy, Tensor q, Tensor k, Tensor v, Tensor y, Tensor logSumExp,
            int heads, AttentionSets sets, Tensor bias, bool causal, bool add)
        {
            long entered = observer.Enter("Attention backward");
            inner.Attention(dq, dk, dv, dbias, dy, q, k, v, y, logSumExp, heads, sets, bias, causal, add);
            observer.Leave("Attention backward", entered, dq, dy);
        }

        public override void Add(Tensor da, Tensor db, Tensor dy, bool add)
        {
            long entered = observer.Enter("Add backward");
            inner.Add(da, db, dy, add);
            observer.Leave("Add backward", entered, da, dy);
        }

        public override void Concat(Tensor da, Tensor db, Tensor dy, bool add)
        {
            long entered = observer.Enter("Concat backward");
            inner.Concat(da, db, dy, add);
            observer.Leave("Concat backward", entered, da, dy);
        }

        public override void Embed(Tensor dtable, Tensor dy, Tensor ids)
        {
            long entered = observer.Enter("Embed backward");
            inner.Embed(dtable, dy, ids);
            observer.Leave("Embed backward", entered, dtable, dy);
        }

        public override void Blend(Tensor da, Tensor db, Tensor dy, Tensor mask, bool add)
        {
            long entered = observer.Enter("Blend backward");
            inner.Blend(da, db, dy, mask, add);
            observer.Leave("Blend backward", entered, da, dy);
        }

        public override void SquaredError(Tensor loss, Tensor dprediction, Tensor prediction, Tensor target, Tensor weight)
        {
            long entered = observer.Enter("SquaredError");
            inner.SquaredError(loss, dprediction, prediction, target, weight);
            observer.Leave("SquaredError", entered, loss, prediction);
        }

        public override void SplitMoments(Tensor dmoments, Tensor dmean, Tensor dlogVariance, Tensor moments, bool add)
        {
            long entered = observer.Enter("SplitMoments backward");
            inner.SplitMoments(dmoments, dmean, dlogVariance, moments, add);
            observer.Leave("SplitMoments backward", entered, dmoments, moments);
        }

        public override void SampleGaussian(Tensor z, Tensor mean, Tensor logVariance, Tensor noise)
        {
            long entered = observer.Enter("SampleGaussian");
            inner.SampleGaussian(z, mean, logVariance, noise);
            observer.Leave("SampleGaussian", entered, z, mean);
        }

        public override void SampleGaussianBackward(
            Tensor dmean, Tensor dlogVariance, Tensor dz, Tensor logVariance, Tensor noise, bool add)
        {
            long entered = observer.Enter("SampleGaussian backward");
            inner.SampleGaussianBackward(dmean, dlogVariance, dz, logVariance, noise, add);
            observer.Leave("SampleGaussian backward", entered, dmean, dz);
        }

        public override void Divergence(
            Tensor loss, Tensor dmean, Tensor dlogVariance, Tensor mean, Tensor logVariance, Tensor weight, bool add)
        {
            long entered = observer.Enter("Divergence");
            inner.Divergence(loss, dmean, dlogVariance, mean, logVariance, weight, add);
            observer.Leave("Divergence", entered, loss, mean);
        }

        public override void Clip(Tensor norm, Tensor bound, ReadOnlySpan<Tensor> gradients)
        {
            long entered = observer.Enter("Clip");
            inner.Clip(norm, bound, gradients);
            observer.Leave("Clip", entered, norm, bound);
        }

        public override void AdamW(
            Tensor value, Tensor first, Tensor second, Tensor average, Tensor gradient, Tensor norm, Tensor settings)
        {
            long entered = observer.Enter("AdamW");
            inner.AdamW(value, first, second, average, gradient, norm, settings);
            observer.Leave("AdamW", entered, value, gradient);
        }
    }
}
