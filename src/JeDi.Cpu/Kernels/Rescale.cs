using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void Rescale(Tensor y, Tensor guided, Tensor conditional, Tensor amount)
    {
        int images = y.Shape[0];
        long count = images == 0 ? 0 : y.Count / images;
        threads.Run(images, new RescaleJob(Floats(y), Floats(guided), Floats(conditional), Floats(amount), count));
    }

    /// <summary>A block is an image.</summary>
    readonly struct RescaleJob(float* y, float* guided, float* conditional, float* amount, long count) : IJob
    {
        public void Run(int index, Worker worker)
        {
            float* from = guided + index * count;
            float* to = y + index * count;
            double r = amount[0];
            double deviation = r == 0 ? 0 : Deviation(from);
            float factor = deviation == 0 ? 1 : (float)(r * Deviation(conditional + index * count) / deviation + 1 - r);
            for (long i = 0; i < count; i++)
            {
                to[i] = from[i] * factor;
            }
        }

        /// <summary>Standard deviation, the sum of squares divided by n - 1.</summary>
        double Deviation(float* x)
        {
            double sum = 0;
            for (long i = 0; i < count; i++)
            {
                sum += x[i];
            }

            double mean = sum / count;
            double squares = 0;
            for (long i = 0; i < count; i++)
            {
                squares += (x[i] - mean) * (x[i] - mean);
            }

            return Math.Sqrt(squares / (count - 1));
        }
    }
}
