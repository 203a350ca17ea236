using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    // Terms that are added in single precision before they join a sum in double precision.
    const int SumRun = 1024;

    public override void SquaredError(Tensor loss, Tensor dprediction, Tensor prediction, Tensor target, Tensor weight)
    {
        int images = prediction.Shape[0];
        long count = images == 0 ? 0 : prediction.Count / images;
        threads.Run(images, new SquaredErrorJob(
            Floats(loss), Floats(dprediction), Floats(prediction), Floats(target), Floats(weight), count));
    }

    public override void SplitMoments(Tensor dmoments, Tensor dmean, Tensor dlogVariance, Tensor moments, bool add)
    {
        long pixels = moments.Shape.RowCount;
        threads.Run(Partition.Pieces(pixels, GaussianPixels), new SplitGradientJob(
            Floats(dmoments), Floats(dmean), Floats(dlogVariance), Floats(moments), pixels, moments.Shape[-1] / 2, add));
    }

    public override void SampleGaussian(Tensor z, Tensor mean, Tensor logVariance, Tensor noise) =>
        threads.Run(
            Partition.Pieces(z.Count, BlockFloats),
            new SampleJob(Floats(z), Floats(mean), Floats(logVariance), Floats(noise), z.Count));

    public override void SampleGaussianBackward(
        Tensor dmean, Tensor dlogVariance, Tensor dz, Tensor logVariance, Tensor noise, bool add) =>
        threads.Run(
            Partition.Pieces(dz.Count, BlockFloats),
            new SampleGradientJob(
                Floats(dmean), Floats(dlogVariance), Floats(dz), Floats(logVariance), Floats(noise), dz.Count, add));

    public override void Divergence(
        Tensor loss, Tensor dmean, Tensor dlogVariance, Tensor mean, Tensor logVariance, Tensor weight, bool add)
    {
        int images = mean.Shape[0];
        long each = images == 0 ? 0 : mean.Count / images;
        threads.Run(images, new DivergenceJob(
            Floats(loss), Floats(dmean), Floats(dlogVariance), Floats(mean), Floats(logVariance), Floats(weight), each, add));
    }

    const int GaussianPixels = 1024;

    /// <summary>One value of a gradient, if that is wanted.</summary>
    static void Put(float* gradient, long index, float value, bool add)
    {
        if (gradient != null)
        {
            gradient[index] = add ? gradient[index] + value : value;
        }
    }

    /// <summary>A block is an image.</summary>
    readonly struct SquaredErrorJob(float* loss, float* dprediction, float* prediction, float* target, float* weight, long count) : IJob
    {
        public void Run(int index, Worker worker)
        {
            float* p = prediction + index * count;
            float* t = target + index * count;
            float* d = dprediction + index * count;
            double share = (double)weight[index] / count;
            V slope = V.Create((float)(2 * share));
            double total = 0;
            for (long run = 0; run < count; run += SumRun)
            {
                long end = Math.Min(count, run + SumRun);
                V sum = V.Zero;
                for (long i = run; i < end; i += V.Width)
                {
                    int part = (int)Math.Min(V.Width, end - i);
                    V difference = Take(p + i, part) - Take(t + i, part);
                    sum = V.MultiplyAdd(difference, difference, sum);
                    if (dprediction != null)
                    {
                        (difference * slope).StorePartial(d + i, part);
                    }
                }

                total += V.Sum(sum);
            }

            loss[index] = (float)(share * total);
        }
    }

    /// <summary>A block is some pixels.</summary>
    readonly struct SplitGradientJob(
        float* dmoments, float* dmean, float* dlogVariance, float* moments, long pixels, int channels, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(pixels, (index + 1L) * GaussianPixels);
            for (long pixel = (long)index * GaussianPixels; pixel < end; pixel++)
            {
                float* to = dmoments + 2 * pixel * channels;
                for (int c = 0; c < channels; c++)
                {
                    float v = moments[(2 * pixel + 1) * channels + c];
                    bool held = v is < Kernels.LeastLogVariance or > Kernels.MostLogVariance;
                    Put(to, c, dmean == null ? 0 : dmean[pixel * channels + c], add);
                    Put(to, channels + c, dlogVariance == null || held ? 0 : dlogVariance[pixel * channels + c], add);
                }
            }
        }
    }

    /// <summary>A block is a run of values.</summary>
    readonly struct SampleJob(float* z, float* mean, float* logVariance, float* noise, long count) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(count, (index + 1L) * BlockFloats);
            for (long i = (long)index * BlockFloats; i < end; i++)
            {
                z[i] = mean[i] + MathF.Exp(logVariance[i] / 2) * noise[i];
            }
        }
    }

    /// <summary>A block is a run of values.</summary>
    readonly struct SampleGradientJob(
        float* dmean, float* dlogVariance, float* dz, float* logVariance, float* noise, long count, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(count, (index + 1L) * BlockFloats);
            for (long i = (long)index * BlockFloats; i < end; i++)
            {
                Put(dmean, i, dz[i], add);
                Put(dlogVariance, i, dz[i] * noise[i] * MathF.Exp(logVariance[i] / 2) / 2, add);
            }
        }
    }

    /// <summary>A block is an image.</summary>
    readonly struct DivergenceJob(
        float* loss, float* dmean, float* dlogVariance, float* mean, float* logVariance, float* weight, long each, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            float w = weight[index];
            double sum = 0;
            for (long i = index * each; i < (index + 1) * each; i++)
            {
                double variance = Math.Exp(logVariance[i]);
                sum += (double)mean[i] * mean[i] + variance - 1 - logVariance[i];
                Put(dmean, i, w * mean[i], add);
                Put(dlogVariance, i, (float)(w * (variance - 1) / 2), add);
            }

            loss[index] = (float)(w * sum / 2);
        }
    }
}
