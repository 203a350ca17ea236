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

    public override void SampleGaussian(Tensor z, Tensor moments, Tensor noise) =>
        threads.Run(
            Partition.Pieces(z.Shape.RowCount, GaussianPixels),
            new SampleJob(Floats(z), Floats(moments), Floats(noise), z.Shape.RowCount, z.Shape[-1]));

    public override void SampleGaussianBackward(Tensor dmoments, Tensor dz, Tensor moments, Tensor noise, bool add) =>
        threads.Run(
            Partition.Pieces(dz.Shape.RowCount, GaussianPixels),
            new SampleGradientJob(
                Floats(dmoments), Floats(dz), Floats(moments), Floats(noise), dz.Shape.RowCount, dz.Shape[-1], add));

    public override void Divergence(Tensor loss, Tensor dmoments, Tensor moments, Tensor weight, bool add)
    {
        int images = moments.Shape[0];
        long pixels = images == 0 ? 0 : moments.Shape.RowCount / images;
        threads.Run(images, new DivergenceJob(
            Floats(loss), Floats(dmoments), Floats(moments), Floats(weight), pixels, moments.Shape[-1] / 2, add));
    }

    const int GaussianPixels = 1024;
    const float LeastLogVariance = -30;
    const float MostLogVariance = 20;

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
    readonly struct SampleJob(float* z, float* moments, float* noise, long pixels, int channels) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(pixels, (index + 1L) * GaussianPixels);
            for (long pixel = (long)index * GaussianPixels; pixel < end; pixel++)
            {
                float* from = moments + 2 * pixel * channels;
                for (int c = 0; c < channels; c++)
                {
                    float v = Math.Clamp(from[channels + c], LeastLogVariance, MostLogVariance);
                    z[pixel * channels + c] = from[c] + MathF.Exp(v / 2) * noise[pixel * channels + c];
                }
            }
        }
    }

    /// <summary>A block is some pixels.</summary>
    readonly struct SampleGradientJob(
        float* dmoments, float* dz, float* moments, float* noise, long pixels, int channels, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(pixels, (index + 1L) * GaussianPixels);
            for (long pixel = (long)index * GaussianPixels; pixel < end; pixel++)
            {
                float* to = dmoments + 2 * pixel * channels;
                for (int c = 0; c < channels; c++)
                {
                    float d = dz[pixel * channels + c];
                    float v = moments[(2 * pixel + 1) * channels + c];
                    bool held = v is < LeastLogVariance or > MostLogVariance;
                    float slope = held ? 0 : d * noise[pixel * channels + c] * MathF.Exp(v / 2) / 2;
                    to[c] = add ? to[c] + d : d;
                    to[channels + c] = add ? to[channels + c] + slope : slope;
                }
            }
        }
    }

    /// <summary>A block is an image.</summary>
    readonly struct DivergenceJob(
        float* loss, float* dmoments, float* moments, float* weight, long pixels, int channels, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            float* from = moments + index * pixels * channels * 2;
            float* to = dmoments + index * pixels * channels * 2;
            float w = weight[index];
            double sum = 0;
            for (long pixel = 0; pixel < pixels; pixel++, from += 2 * channels, to += 2 * channels)
            {
                for (int c = 0; c < channels; c++)
                {
                    float v = Math.Clamp(from[channels + c], LeastLogVariance, MostLogVariance);
                    double variance = Math.Exp(v);
                    sum += (double)from[c] * from[c] + variance - 1 - v;
                    if (dmoments != null)
                    {
                        float slope = v == from[channels + c] ? (float)(w * (variance - 1) / 2) : 0;
                        to[c] = add ? to[c] + w * from[c] : w * from[c];
                        to[channels + c] = add ? to[channels + c] + slope : slope;
                    }
                }
            }

            loss[index] = (float)(w * sum / 2);
        }
    }
}
