using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    // Rows of an image whose sums are made at once.
    const int LayerNormRows = 64;

    public override void LayerNorm(
        Tensor dx, Tensor dscale, Tensor dshift, Tensor dy, Tensor x, Tensor statistics, Tensor scale, bool add)
    {
        int images = x.Shape[0];
        int width = x.Shape[-1];
        int rows = images == 0 ? 0 : checked((int)(x.Shape.RowCount / images));
        if (rows == 0)
        {
            return;
        }

        int chunks = Partition.Pieces(rows, LayerNormRows);
        using Lock.Scope turn = gate.EnterScope();
        bool wantsSums = dscale.Exists || dshift.Exists;
        float* partial = Shared(wantsSums ? 2L * images * (chunks + 1) * width : 0);
        float* sums = partial + 2L * images * chunks * width;
        threads.Run(images * chunks, new LayerNormGradientJob(
            Floats(dx), Floats(dy), Floats(x), Floats(statistics), Floats(scale), wantsSums ? partial : null, rows, width, chunks, add));
        if (!wantsSums)
        {
            return;
        }

        threads.Run(images, new JoinChunksJob(partial, chunks, 2 * width, sums));
        int blocks = Partition.Pieces(width, ColumnBlock);
        if (dshift.Exists)
        {
            threads.Run(blocks, new SumOfImagesJob(sums, images, 2L * width, width, Floats(dshift)));
        }

        if (dscale.Exists)
        {
            threads.Run(blocks, new SumOfImagesJob(sums + width, images, 2L * width, width, Floats(dscale)));
        }
    }

    /// <summary>A block is some rows of an image: their dx, and sums of dy and of dy n over them.</summary>
    readonly struct LayerNormGradientJob(
        float* dx, float* dy, float* x, float* statistics, float* scale, float* partial, int rows, int width, int chunks, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            int image = index / chunks;
            long first = (long)image * rows + Partition.Start(rows, chunks, index % chunks);
            long end = (long)image * rows + Partition.Start(rows, chunks, index % chunks + 1);
            float* sums = partial + 2L * index * width;
            if (partial != null)
            {
                new Span<float>(sums, 2 * width).Clear();
            }

            for (long row = first; row < end; row++)
            {
                V mean = V.Create(statistics[2 * row]);
                V inverse = V.Create(statistics[2 * row + 1]);
                if (dx != null)
                {
                    Row(dx + row * width, dy + row * width, x + row * width, mean, inverse);
                }

                if (partial != null)
                {
                    AddTo(sums, dy + row * width, x + row * width, mean, inverse);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void Row(float* to, float* d, float* from, V mean, V inverse)
        {
            V sum = V.Zero;
            V normalSum = V.Zero;
            for (int i = 0; i < width; i += V.Width)
            {
                int part = Math.Min(V.Width, width - i);
                V slope = Take(d + i, part) * Take(scale + i, part);
                sum += slope;
                normalSum = V.MultiplyAdd(slope, (Take(from + i, part) - mean) * inverse, normalSum);
            }

            V meanSlope = V.Create(V.Sum(sum) / width);
            V meanNormal = V.Create(V.Sum(normalSum) / width);
            for (int i = 0; i < width; i += V.Width)
            {
                int part = Math.Min(V.Width, width - i);
                V slope = Take(d + i, part) * Take(scale + i, part);
                V normal = (Take(from + i, part) - mean) * inverse;
                V value = V.NegatedMultiplyAdd(normal, meanNormal, slope - meanSlope) * inverse;
                Put(to + i, add ? Take(to + i, part) + value : value, part);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void AddTo(float* sums, float* d, float* from, V mean, V inverse)
        {
            for (int i = 0; i < width; i += V.Width)
            {
                int part = Math.Min(V.Width, width - i);
                V slope = Take(d + i, part);
                V normal = (Take(from + i, part) - mean) * inverse;
                Put(sums + i, Take(sums + i, part) + slope, part);
                Put(sums + width + i, V.MultiplyAdd(slope, normal, Take(sums + width + i, part)), part);
            }
        }
    }

    /// <summary>A block is an image: the sums of its chunks, in order.</summary>
    readonly struct JoinChunksJob(float* partial, int chunks, int columns, float* sums) : IJob
    {
        public void Run(int index, Worker worker)
        {
            float* from = partial + (long)index * chunks * columns;
            float* to = sums + (long)index * columns;
            for (int c = 0; c < columns; c += V.Width)
            {
                int part = Math.Min(V.Width, columns - c);
                V sum = V.Zero;
                for (int chunk = 0; chunk < chunks; chunk++)
                {
                    sum += Take(from + (long)chunk * columns + c, part);
                }

                sum.StorePartial(to + c, part);
            }
        }
    }
}
