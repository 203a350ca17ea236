using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void Combine(Tensor y, Tensor c, ReadOnlySpan<Tensor> x)
    {
        float** terms = stackalloc float*[x.Length];
        float* factors = stackalloc float[x.Length];
        float* coefficients = Floats(c);
        int used = 0;
        for (int i = 0; i < x.Length; i++)
        {
            if (coefficients[i] != 0)
            {
                terms[used] = Floats(x[i]);
                factors[used++] = coefficients[i];
            }
        }

        threads.Run(Partition.Pieces(y.Count, BlockFloats), new CombineJob(Floats(y), terms, factors, used, y.Count));
    }

    /// <summary>A block is a run of elements; the sum of each is taken in the order of the terms.</summary>
    readonly struct CombineJob(float* y, float** terms, float* factors, int used, long count) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            long i = (long)index * BlockFloats;
            long end = Math.Min(count, i + BlockFloats);
            for (; i <= end - V.Width; i += V.Width)
            {
                V sum = V.Zero;
                for (int t = 0; t < used; t++)
                {
                    sum = V.MultiplyAdd(V.Create(factors[t]), V.Load(terms[t] + i), sum);
                }

                sum.Store(y + i);
            }

            int left = (int)(end - i);
            V last = V.Zero;
            for (int t = 0; t < used; t++)
            {
                last = V.MultiplyAdd(V.Create(factors[t]), V.LoadPartial(terms[t] + i, left), last);
            }

            last.StorePartial(y + i, left);
        }
    }
}
