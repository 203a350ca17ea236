using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void TimestepEmbedding(Tensor y, Tensor t)
    {
        float* to = Floats(y);
        float* timesteps = Floats(t);
        int half = y.Shape[-1] / 2;
        for (int row = 0; row < t.Count; row++, to += 2 * half)
        {
            for (int i = 0; i < half; i++)
            {
                double angle = timesteps[row] * Math.Pow(10000, -(double)i / half);
                to[i] = (float)Math.Cos(angle);
                to[half + i] = (float)Math.Sin(angle);
            }
        }
    }
}
