using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void Add(Tensor y, Tensor a, Tensor b) =>
        threads.Run(Partition.Pieces(y.Count, BlockFloats), new AddJob(Floats(y), Floats(a), Floats(b), y.Count, b.Count));

    public override void Blend(Tensor y, Tensor mask, Tensor a, Tensor b)
    {
        int channels = a.Shape[-1];
        int rowsPerBlock = Math.Max(1, BlockFloats / channels);
        var job = new BlendJob(Floats(y), Floats(mask), Floats(a), Floats(b), mask.Count, channels, rowsPerBlock);
        threads.Run(Partition.Pieces(mask.Count, rowsPerBlock), job);
    }

    public override void PackInput(Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout)
    {
        int images = noisy.Shape[0];
        int channels = noisy.Shape[-1];
        long pixels = images == 0 ? 0 : noisy.Count / images / channels;
        var job = new PackInputJob(Floats(y), Floats(noisy), Floats(clean), Floats(mask), Floats(scale), pixels, channels, layout);
        threads.Run(images, job);
    }

    /// <summary>A block is a run of elements.</summary>
    readonly struct AddJob(float* y, float* a, float* b, long count, long period) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(count, (index + 1L) * BlockFloats);
            for (long i = (long)index * BlockFloats; i < end;)
            {
                long phase = i % period;
                long run = Math.Min(period - phase, end - i);
                AddRun(y + i, a + i, b + phase, run);
                i += run;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void AddRun(float* y, float* a, float* b, long count)
        {
            long i = 0;
            for (; i <= count - V.Width; i += V.Width)
            {
                (V.Load(a + i) + V.Load(b + i)).Store(y + i);
            }

            int left = (int)(count - i);
            (V.LoadPartial(a + i, left) + V.LoadPartial(b + i, left)).StorePartial(y + i, left);
        }
    }

    /// <summary>A block is some pixels.</summary>
    readonly struct BlendJob(float* y, float* mask, float* a, float* b, long pixels, int channels, int pixelsPerBlock) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long first = (long)index * pixelsPerBlock;
            long end = Math.Min(pixels, first + pixelsPerBlock);
            for (long pixel = first; pixel < end; pixel++)
            {
                float m = mask[pixel];
                for (long i = pixel * channels; i < (pixel + 1) * channels; i++)
                {
                    y[i] = m * a[i] + (1 - m) * b[i];
                }
            }
        }
    }

    /// <summary>A block is an image. Nothing is read of the clean latent of an image that is generated whole.</summary>
    readonly struct PackInputJob(
        float* y, float* noisy, float* clean, float* mask, float* scale, long pixels, int channels, InputLayout layout) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            bool packed = layout != InputLayout.Noisy;
            int noisyAt = layout == InputLayout.MaskNoisyClean ? 1 : 0;
            int maskAt = layout == InputLayout.MaskNoisyClean ? 0 : channels;
            int columns = packed ? 2 * channels + 1 : channels;
            float* to = y + index * pixels * columns;
            float* from = noisy + index * pixels * channels;
            float s = scale[0];
            float m = packed ? mask[index] : 1;
            for (long pixel = 0; pixel < pixels; pixel++, to += columns, from += channels)
            {
                for (int c = 0; c < channels; c++)
                {
                    to[noisyAt + c] = from[c] * s;
                }

                if (packed)
                {
                    to[maskAt] = m;
                    float* known = clean + (from - noisy);
                    for (int c = 0; c < channels; c++)
                    {
                        to[channels + 1 + c] = m == 1 ? 0 : known[c] * (1 - m);
                    }
                }
            }
        }
    }
}
