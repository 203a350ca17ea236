using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    // A chunk of an image is read twice, the second time from the second-level cache.
    const int GroupNormChunkFloats = 16 * 1024;

    /// <summary>
    /// Sums of dy act' and of dy act' n over chunks of pixels, a channel each, joined in order in double precision; then one more pass
    /// over x and dy.
    /// </summary>
    public override void GroupNorm(
        Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, Tensor shift, int groups, bool silu,
        bool add)
    {
        int images = x.Shape[0];
        int channels = x.Shape[-1];
        int pixels = images == 0 ? 0 : checked((int)(x.Shape.RowCount / images));
        if (pixels == 0)
        {
            return;
        }

        int chunks = Math.Min(Partition.Pieces((long)pixels * channels, GroupNormChunkFloats), pixels);
        using Lock.Scope turn = gate.EnterScope();
        long imageFloats = 2L * images * channels;
        long factorFloats = 5L * images * channels;
        float* sums = Shared(imageFloats + factorFloats + 2L * images * chunks * channels);
        var job = new GroupNormGradient
        {
            DX = Floats(dx),
            DY = Floats(dy),
            X = Floats(x),
            Statistics = Floats(statistics),
            Scale = Floats(scale),
            Shift = Floats(shift),
            Sums = sums,
            Factors = sums + imageFloats,
            Partial = sums + imageFloats + factorFloats,
            Pixels = pixels,
            Channels = channels,
            Groups = groups,
            Chunks = chunks,
            Silu = silu,
            Add = add,
        };
        threads.Run(images * groups, new GroupNormLines(job));
        threads.Run(images * chunks, new GroupNormSums(job));
        threads.Run(images * groups, new GroupNormMeans(job));
        if (dx.Exists)
        {
            threads.Run(images * chunks, new GroupNormSlopes(job));
        }

        int blocks = Partition.Pieces(channels, ColumnBlock);
        if (dshift.Exists)
        {
            threads.Run(blocks, new SumOfImagesJob(sums, images, 2L * channels, channels, Floats(dshift)));
        }

        if (dscale.Exists)
        {
            threads.Run(blocks, new SumOfImagesJob(sums + channels, images, 2L * channels, channels, Floats(dscale)));
        }
    }

    /// <summary>What the passes share.</summary>
    struct GroupNormGradient
    {
        public required float* DX;
        public required float* DY;
        public required float* X;
        public required float* Statistics;
        public required float* Scale;
        public required float* Shift;

        /// <summary>[images] of the sums of dy act' and of dy act' n, each [channels].</summary>
        public required float* Sums;

        /// <summary>
        /// [images] of five rows [channels]: r and mean, so that n = (x - mean) r; r scale; what is taken away: once, and times n.
        /// </summary>
        public required float* Factors;

        /// <summary>As <see cref="Sums"/>, of each chunk.</summary>
        public required float* Partial;

        public required int Pixels;
        public required int Channels;
        public required int Groups;
        public required int Chunks;
        public required bool Silu;
        public required bool Add;

        public readonly int Width => Channels / Groups;

        public readonly int FirstPixel(int chunk) => Partition.Start(Pixels, Chunks, chunk);

        public readonly int PixelsOf(int chunk) => FirstPixel(chunk + 1) - FirstPixel(chunk);

        /// <summary>Where a chunk of all images begins, in floats.</summary>
        public readonly long Offset(int index) => ((long)(index / Chunks) * Pixels + FirstPixel(index % Chunks)) * Channels;

        public readonly float* FactorsOf(int image) => Factors + 5L * image * Channels;

        /// <summary>dy act'(n scale + shift).</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly V Slope(V dy, V normal, int c, int count) =>
            Silu ? dy * SiluSlope.Of(V.MultiplyAdd(normal, V.LoadPartial(Scale + c, count), V.LoadPartial(Shift + c, count))) : dy;
    }

    /// <summary>A block is a group of an image: spreads its statistics over the channels.</summary>
    readonly struct GroupNormLines(GroupNormGradient job) : IJob
    {
        public void Run(int index, Worker worker)
        {
            float mean = job.Statistics[2 * index];
            float inverse = job.Statistics[2 * index + 1];
            int first = index % job.Groups * job.Width;
            float* factors = job.FactorsOf(index / job.Groups) + first;
            new Span<float>(factors, job.Width).Fill(inverse);
            new Span<float>(factors + job.Channels, job.Width).Fill(mean);
        }
    }

    /// <summary>A block is a chunk of an image, some registers of channels at a time.</summary>
    readonly struct GroupNormSums(GroupNormGradient job) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int channels = job.Channels;
            int rows = job.PixelsOf(index % job.Chunks);
            float* factors = job.FactorsOf(index / job.Chunks);
            long offset = job.Offset(index);
            float* to = job.Partial + 2L * index * channels;
            for (int c = 0; c < channels; c += V.Width)
            {
                int count = Math.Min(V.Width, channels - c);
                float* x = job.X + offset + c;
                float* dy = job.DY + offset + c;
                (V sum, V normalSum) = count == V.Width
                    ? Whole(x, dy, factors + c, c, rows)
                    : Partial(x, dy, factors + c, c, rows, count);
                sum.StorePartial(to + c, count);
                normalSum.StorePartial(to + channels + c, count);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        (V Sum, V NormalSum) Whole(float* x, float* dy, float* factors, int c, int rows)
        {
            V inverse = V.Load(factors);
            V mean = V.Load(factors + job.Channels);
            V scale = V.Load(job.Scale + c);
            V shift = job.Silu ? V.Load(job.Shift + c) : V.Zero;
            V sum = V.Zero;
            V normalSum = V.Zero;
            for (int row = 0; row < rows; row++, x += job.Channels, dy += job.Channels)
            {
                V normal = (V.Load(x) - mean) * inverse;
                V d = V.Load(dy);
                d = job.Silu ? d * SiluSlope.Of(V.MultiplyAdd(normal, scale, shift)) : d;
                sum += d;
                normalSum = V.MultiplyAdd(d, normal, normalSum);
            }

            return (sum, normalSum);
        }

        (V Sum, V NormalSum) Partial(float* x, float* dy, float* factors, int c, int rows, int count)
        {
            V inverse = V.LoadPartial(factors, count);
            V mean = V.LoadPartial(factors + job.Channels, count);
            V sum = V.Zero;
            V normalSum = V.Zero;
            for (int row = 0; row < rows; row++, x += job.Channels, dy += job.Channels)
            {
                V normal = (V.LoadPartial(x, count) - mean) * inverse;
                V d = job.Slope(V.LoadPartial(dy, count), normal, c, count);
                sum += d;
                normalSum = V.MultiplyAdd(d, normal, normalSum);
            }

            return (sum, normalSum);
        }
    }

    /// <summary>A block is a group of an image: joins its chunks, and the means of its channels.</summary>
    readonly struct GroupNormMeans(GroupNormGradient job) : IJob
    {
        public void Run(int index, Worker worker)
        {
            int image = index / job.Groups;
            int channels = job.Channels;
            int first = index % job.Groups * job.Width;
            float* sums = job.Sums + 2L * image * channels;
            float* factors = job.FactorsOf(image);
            double mean = 0;
            double normalMean = 0;
            for (int c = first; c < first + job.Width; c++)
            {
                double sum = 0;
                double normalSum = 0;
                float* from = job.Partial + 2L * image * job.Chunks * channels + c;
                for (int chunk = 0; chunk < job.Chunks; chunk++, from += 2 * channels)
                {
                    sum += from[0];
                    normalSum += from[channels];
                }

                sums[c] = (float)sum;
                sums[channels + c] = (float)normalSum;
                mean += sum * job.Scale[c];
                normalMean += normalSum * job.Scale[c];
            }

            double count = (double)job.Width * job.Pixels;
            double inverse = job.Statistics[2 * index + 1];
            for (int c = first; c < first + job.Width; c++)
            {
                factors[2 * channels + c] = (float)(inverse * job.Scale[c]);
                factors[3 * channels + c] = (float)(inverse * mean / count);
                factors[4 * channels + c] = (float)(inverse * normalMean / count);
            }
        }
    }

    /// <summary>A block is a chunk of an image: dx (+)= r scale dy act' - r mean(dn) - n r mean(dn n).</summary>
    readonly struct GroupNormSlopes(GroupNormGradient job) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int channels = job.Channels;
            float* factors = job.FactorsOf(index / job.Chunks);
            long offset = job.Offset(index);
            for (int row = job.PixelsOf(index % job.Chunks); row > 0; row--, offset += channels)
            {
                int c = 0;
                for (; c <= channels - V.Width; c += V.Width)
                {
                    float* f = factors + c;
                    V normal = (V.Load(job.X + offset + c) - V.Load(f + channels)) * V.Load(f);
                    V d = V.Load(job.DY + offset + c);
                    d = job.Silu ? d * SiluSlope.Of(V.MultiplyAdd(normal, V.Load(job.Scale + c), V.Load(job.Shift + c))) : d;
                    V taken = V.MultiplyAdd(normal, V.Load(f + 4 * channels), V.Load(f + 3 * channels));
                    V value = V.MultiplyAdd(d, V.Load(f + 2 * channels), V.Zero - taken);
                    float* to = job.DX + offset + c;
                    (job.Add ? V.Load(to) + value : value).Store(to);
                }

                if (c < channels)
                {
                    Last(factors + c, offset, c, channels - c);
                }
            }
        }

        void Last(float* f, long offset, int c, int count)
        {
            int channels = job.Channels;
            V mean = V.LoadPartial(f + channels, count);
            V normal = (V.LoadPartial(job.X + offset + c, count) - mean) * V.LoadPartial(f, count);
            V d = job.Slope(V.LoadPartial(job.DY + offset + c, count), normal, c, count);
            V taken = V.MultiplyAdd(normal, V.LoadPartial(f + 4 * channels, count), V.LoadPartial(f + 3 * channels, count));
            V value = V.MultiplyAdd(d, V.LoadPartial(f + 2 * channels, count), V.Zero - taken);
            float* to = job.DX + offset + c;
            (job.Add ? V.LoadPartial(to, count) + value : value).StorePartial(to, count);
        }
    }
}
