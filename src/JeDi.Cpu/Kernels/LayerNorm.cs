using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void LayerNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, float eps, Tensor statistics)
    {
        int width = x.Shape[-1];
        int rowsPerBlock = Math.Max(1, BlockFloats / Math.Max(1, width));
        long rows = x.Shape.RowCount;
        var job = new LayerNormJob(
            Floats(y), Floats(x), Floats(scale), Floats(shift), Floats(statistics), rows, width, rowsPerBlock, eps);
        threads.Run(Partition.Pieces(rows, rowsPerBlock), job);
    }

    /// <summary>A block is some rows. Mean, then squared deviations: two passes over a row that lies in cache.</summary>
    readonly struct LayerNormJob(
        float* y, float* x, float* scale, float* shift, float* statistics, long rows, int width, int rowsPerBlock, float eps) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long first = (long)index * rowsPerBlock;
            long end = Math.Min(rows, first + rowsPerBlock);
            for (long row = first; row < end; row++)
            {
                Normalise(y + row * width, x + row * width, statistics == null ? null : statistics + 2 * row);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void Normalise(float* to, float* from, float* save)
        {
            float mean = Sum(from) / width;
            float deviation = MathF.Sqrt(SquaredDeviations(from, mean) / width + eps);
            if (save != null)
            {
                save[0] = mean;
                save[1] = 1 / deviation;
            }

            V m = V.Create(mean);
            V r = V.Create(1 / deviation);
            int i = 0;
            for (; i <= width - V.Width; i += V.Width)
            {
                V.MultiplyAdd((V.Load(from + i) - m) * r, V.Load(scale + i), V.Load(shift + i)).Store(to + i);
            }

            int left = width - i;
            V last = (V.LoadPartial(from + i, left) - m) * r;
            V.MultiplyAdd(last, V.LoadPartial(scale + i, left), V.LoadPartial(shift + i, left)).StorePartial(to + i, left);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        float Sum(float* from)
        {
            V a = V.Zero;
            V b = V.Zero;
            int i = 0;
            for (; i <= width - 2 * V.Width; i += 2 * V.Width)
            {
                a += V.Load(from + i);
                b += V.Load(from + i + V.Width);
            }

            float sum = V.Sum(a + b);
            for (; i < width; i++)
            {
                sum += from[i];
            }

            return sum;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        float SquaredDeviations(float* from, float mean)
        {
            V m = V.Create(mean);
            V a = V.Zero;
            V b = V.Zero;
            int i = 0;
            for (; i <= width - 2 * V.Width; i += 2 * V.Width)
            {
                V p = V.Load(from + i) - m;
                V q = V.Load(from + i + V.Width) - m;
                a = V.MultiplyAdd(p, p, a);
                b = V.MultiplyAdd(q, q, b);
            }

            float sum = V.Sum(a + b);
            for (; i < width; i++)
            {
                float d = from[i] - mean;
                sum += d * d;
            }

            return sum;
        }
    }
}
