using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    public override void Clip(Tensor norm, Tensor bound, ReadOnlySpan<Tensor> gradients)
    {
        using Lock.Scope turn = gate.EnterScope();
        double total = 0;
        foreach (Tensor gradient in gradients)
        {
            int blocks = Partition.Pieces(gradient.Count, BlockFloats);
            double* sums = (double*)Shared(2L * blocks);
            threads.Run(blocks, new SquaresJob(sums, Floats(gradient), gradient.Count));
            for (int i = 0; i < blocks; i++)
            {
                total += sums[i];
            }
        }

        double length = Math.Sqrt(total);
        Floats(norm)[0] = (float)length;
        Floats(norm)[1] = length > double.MaxValue ? float.NaN : (float)Math.Min(1, Floats(bound)[0] / (length + 1e-6));
    }

    public override void AdamW(
        Tensor value, Tensor first, Tensor second, Tensor average, Tensor gradient, Tensor norm, Tensor settings) =>
        threads.Run(
            Partition.Pieces(value.Count, BlockFloats),
            new AdamWJob(
                Floats(value), Floats(first), Floats(second), Floats(average), Floats(gradient), Floats(norm), Floats(settings),
                value.Count));

    /// <summary>A block is a run of elements.</summary>
    readonly struct SquaresJob(double* sums, float* x, long count) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(count, (index + 1L) * BlockFloats);
            double total = 0;
            for (long run = (long)index * BlockFloats; run < end; run += SumRun)
            {
                long stop = Math.Min(end, run + SumRun);
                V sum = V.Zero;
                for (long i = run; i < stop; i += V.Width)
                {
                    V part = Take(x + i, (int)Math.Min(V.Width, stop - i));
                    sum = V.MultiplyAdd(part, part, sum);
                }

                total += V.Sum(sum);
            }

            sums[index] = total;
        }
    }

    /// <summary>A block is a run of elements.</summary>
    readonly struct AdamWJob(
        float* value, float* first, float* second, float* average, float* gradient, float* norm, float* settings, long count) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            float rate = settings[0];
            double c1 = settings[5];
            double c2 = settings[6];
            V clip = V.Create(norm == null ? 1 : norm[1]);
            V b1 = V.Create(settings[1]);
            V more1 = V.Create(1 - settings[1]);
            V b2 = V.Create(settings[2]);
            V more2 = V.Create(1 - settings[2]);
            V eps = V.Create(settings[3]);
            V keep = V.Create((float)(1 - (double)rate * settings[4]));
            V step = V.Create((float)(rate / c1));
            V inverse = V.Create((float)(1 / Math.Sqrt(c2)));
            V old = V.Create(settings[7]);
            V fresh = V.Create(1 - settings[7]);
            long end = Math.Min(count, (index + 1L) * BlockFloats);
            for (long i = (long)index * BlockFloats; i < end; i += V.Width)
            {
                int part = (int)Math.Min(V.Width, end - i);
                V g = Take(gradient + i, part) * clip;
                V m = V.MultiplyAdd(Take(first + i, part), b1, g * more1);
                V v = V.MultiplyAdd(Take(second + i, part), b2, g * g * more2);
                V w = Take(value + i, part) * keep - step * m / V.MultiplyAdd(V.Sqrt(v), inverse, eps);
                Put(first + i, m, part);
                Put(second + i, v, part);
                Put(value + i, w, part);
                if (average != null)
                {
                    Put(average + i, V.MultiplyAdd(Take(average + i, part), old, w * fresh), part);
                }
            }
        }
    }
}
