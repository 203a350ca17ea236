using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    // A chunk of an image is read twice, the second time from the second-level cache.
    const int GroupNormChunkFloats = 32 * 1024;

    /// <summary>
    /// Statistics of chunks of pixels (mean, then squared deviations), joined in order in double precision (Chan, Golub and LeVeque,
    /// 1983), then one more pass to normalise.
    /// </summary>
    public override void GroupNorm(
        Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu, Tensor statistics)
    {
        int images = x.Shape[0];
        int channels = x.Shape[-1];
        int pixels = images == 0 ? 0 : checked((int)(x.Shape.RowCount / images));
        int chunks = Partition.Pieces((long)pixels * channels, GroupNormChunkFloats);
        if (pixels == 0)
        {
            return;
        }

        chunks = Math.Min(chunks, pixels);
        long moments = 2L * images * chunks * groups;
        using Lock.Scope turn = gate.EnterScope();
        double* partial = (double*)Shared(2 * moments + 3L * images * channels);
        var job = new GroupNormJob
        {
            Y = Floats(y),
            X = Floats(x),
            Scale = Floats(scale),
            Shift = Floats(shift),
            Partial = partial,
            Factors = (float*)(partial + moments),
            Statistics = Floats(statistics),
            Pixels = pixels,
            Channels = channels,
            Groups = groups,
            Chunks = chunks,
            Eps = eps,
            Silu = silu,
        };
        threads.Run(images * chunks, new GroupNormMoments(job));
        threads.Run(images * groups, new GroupNormFactors(job));

        // What was read last may still lie in cache.
        threads.Run(images * chunks, new GroupNormApply(job), descending: true);
    }

    /// <summary>What the three passes share.</summary>
    struct GroupNormJob
    {
        public required float* Y;
        public required float* X;
        public required float* Scale;
        public required float* Shift;

        /// <summary>[images, chunks, groups] pairs of mean and sum of squared deviations.</summary>
        public required double* Partial;

        /// <summary>[images] of means, factors and shifts, each [channels].</summary>
        public required float* Factors;

        /// <summary>Null, or room for [images, groups] pairs of mean and 1 / deviation.</summary>
        public required float* Statistics;

        public required int Pixels;
        public required int Channels;
        public required int Groups;
        public required int Chunks;
        public required float Eps;
        public required bool Silu;

        public readonly int FirstPixel(int chunk) => Partition.Start(Pixels, Chunks, chunk);

        public readonly int PixelsOf(int chunk) => FirstPixel(chunk + 1) - FirstPixel(chunk);

        /// <summary>Where a chunk of all images begins, in floats.</summary>
        public readonly long Offset(int index) => ((long)(index / Chunks) * Pixels + FirstPixel(index % Chunks)) * Channels;
    }

    /// <summary>A block is a chunk of an image: mean and squared deviations of each group in it.</summary>
    readonly struct GroupNormMoments(GroupNormJob job) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int channels = job.Channels;
            int rows = job.PixelsOf(index % job.Chunks);
            float* x = job.X + job.Offset(index);
            float* means = worker.Scratch(2L * channels);
            float* squares = means + channels;
            ChannelSums(x, rows, channels, means);
            for (int c = 0; c < channels; c++)
            {
                means[c] /= rows;
            }

            ChannelSquares(x, rows, channels, means, squares);
            int width = channels / job.Groups;
            double* to = job.Partial + 2L * index * job.Groups;
            for (int first = 0; first < channels; first += width, to += 2)
            {
                double mean = 0;
                for (int c = first; c < first + width; c++)
                {
                    mean += means[c];
                }

                mean /= width;
                double within = 0;
                double between = 0;
                for (int c = first; c < first + width; c++)
                {
                    within += squares[c];
                    between += (means[c] - mean) * (means[c] - mean);
                }

                to[0] = mean;
                to[1] = within + rows * between;
            }
        }

        /// <summary>Sums over the rows, four at a time.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void ChannelSums(float* x, int rows, int channels, float* sums)
        {
            new Span<float>(sums, channels).Clear();
            int row = 0;
            for (; row <= rows - 4; row += 4, x += 4 * channels)
            {
                int c = 0;
                for (; c <= channels - V.Width; c += V.Width)
                {
                    float* p = x + c;
                    V pair = V.Load(p) + V.Load(p + channels);
                    V other = V.Load(p + 2 * channels) + V.Load(p + 3 * channels);
                    (V.Load(sums + c) + (pair + other)).Store(sums + c);
                }

                for (; c < channels; c++)
                {
                    float* p = x + c;
                    sums[c] += p[0] + p[channels] + (p[2 * channels] + p[3 * channels]);
                }
            }

            for (; row < rows; row++, x += channels)
            {
                int c = 0;
                for (; c <= channels - V.Width; c += V.Width)
                {
                    (V.Load(sums + c) + V.Load(x + c)).Store(sums + c);
                }

                for (; c < channels; c++)
                {
                    sums[c] += x[c];
                }
            }
        }

        /// <summary>Squared deviations from the chunk's own mean, summed over the rows.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void ChannelSquares(float* x, int rows, int channels, float* means, float* squares)
        {
            new Span<float>(squares, channels).Clear();
            int row = 0;
            for (; row <= rows - 2; row += 2, x += 2 * channels)
            {
                int c = 0;
                for (; c <= channels - V.Width; c += V.Width)
                {
                    V mean = V.Load(means + c);
                    V p = V.Load(x + c) - mean;
                    V q = V.Load(x + c + channels) - mean;
                    (V.Load(squares + c) + V.MultiplyAdd(p, p, q * q)).Store(squares + c);
                }

                for (; c < channels; c++)
                {
                    float p = x[c] - means[c];
                    float q = x[c + channels] - means[c];
                    squares[c] += p * p + q * q;
                }
            }

            for (int c = 0; row < rows && c < channels; c++)
            {
                squares[c] += (x[c] - means[c]) * (x[c] - means[c]);
            }
        }
    }

    /// <summary>A block is a group of an image: joins its chunks and writes mean, factor and shift of its channels.</summary>
    readonly struct GroupNormFactors(GroupNormJob job) : IJob
    {
        public void Run(int index, Worker worker)
        {
            int image = index / job.Groups;
            int group = index % job.Groups;
            int width = job.Channels / job.Groups;
            double count = 0;
            double mean = 0;
            double squares = 0;
            for (int chunk = 0; chunk < job.Chunks; chunk++)
            {
                double* from = job.Partial + 2 * (((long)image * job.Chunks + chunk) * job.Groups + group);
                double more = (double)job.PixelsOf(chunk) * width;
                double difference = from[0] - mean;
                mean += difference * more / (count + more);
                squares += from[1] + difference * difference * count * more / (count + more);
                count += more;
            }

            double inverse = 1 / Math.Sqrt(squares / count + job.Eps);
            float* factors = job.Factors + 3L * image * job.Channels;
            float rounded = (float)mean;
            if (job.Statistics != null)
            {
                job.Statistics[2 * index] = rounded;
                job.Statistics[2 * index + 1] = (float)inverse;
            }

            for (int c = group * width; c < (group + 1) * width; c++)
            {
                double factor = inverse * job.Scale[c];
                factors[c] = rounded;
                factors[job.Channels + c] = (float)factor;
                factors[2 * job.Channels + c] = (float)(job.Shift[c] - (mean - rounded) * factor);
            }
        }
    }

    /// <summary>A block is a chunk of an image.</summary>
    readonly struct GroupNormApply(GroupNormJob job) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int channels = job.Channels;
            float* means = job.Factors + 3L * (index / job.Chunks) * channels;
            float* factors = means + channels;
            float* shifts = factors + channels;
            float* x = job.X + job.Offset(index);
            float* y = job.Y + job.Offset(index);
            for (int row = job.PixelsOf(index % job.Chunks); row > 0; row--, x += channels, y += channels)
            {
                int c = 0;
                for (; c <= channels - V.Width; c += V.Width)
                {
                    V v = V.MultiplyAdd(V.Load(x + c) - V.Load(means + c), V.Load(factors + c), V.Load(shifts + c));
                    (job.Silu ? SimdMath.Silu(v) : v).Store(y + c);
                }

                int left = channels - c;
                if (left > 0)
                {
                    V last = V.LoadPartial(x + c, left) - V.LoadPartial(means + c, left);
                    last = V.MultiplyAdd(last, V.LoadPartial(factors + c, left), V.LoadPartial(shifts + c, left));
                    (job.Silu ? SimdMath.Silu(last) : last).StorePartial(y + c, left);
                }
            }
        }
    }
}
