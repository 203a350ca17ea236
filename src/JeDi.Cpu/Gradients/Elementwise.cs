using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    public override void Add(Tensor da, Tensor db, Tensor dy, bool add)
    {
        if (da.Exists && (add || da.Address != dy.Address))
        {
            threads.Run(Partition.Pieces(dy.Count, BlockFloats), new PassJob(Floats(da), Floats(dy), dy.Count, add));
        }

        if (db.Exists)
        {
            SumRepeats(Floats(db), db.Count, Floats(dy), 0, db.Count, dy.Count / db.Count, add);
        }
    }

    public override void Concat(Tensor da, Tensor db, Tensor dy, bool add)
    {
        int width = dy.Shape[-1];
        long rows = dy.Shape.RowCount;
        int left = da.Exists ? da.Shape[-1] : width - db.Shape[-1];
        Part(da, 0);
        Part(db, left);

        void Part(Tensor target, int column)
        {
            if (!target.Exists)
            {
                return;
            }

            int columns = target.Shape[-1];
            if (target.Shape.RowCount < rows)
            {
                SumRepeats(Floats(target), columns, Floats(dy), column, width, rows, add);
                return;
            }

            int rowsPerBlock = Math.Max(1, BlockFloats / width);
            var job = new PartJob(Floats(target), columns, Floats(dy) + column, width, rows, rowsPerBlock, add);
            threads.Run(Partition.Pieces(rows, rowsPerBlock), job);
        }
    }

    public override void Blend(Tensor da, Tensor db, Tensor dy, Tensor mask, bool add)
    {
        int channels = dy.Shape[-1];
        int rowsPerBlock = Math.Max(1, BlockFloats / channels);
        var job = new BlendGradientJob(
            Floats(da), Floats(db), Floats(dy), Floats(mask), mask.Count, channels, rowsPerBlock, add);
        threads.Run(Partition.Pieces(mask.Count, rowsPerBlock), job);
    }

    /// <summary>Ids were checked by the forward operation. The rows that share an id are added in order.</summary>
    public override void Embed(Tensor dtable, Tensor dy, Tensor ids)
    {
        int width = checked((int)(dtable.Count / dtable.Shape[0]));
        var job = new EmbedGradientJob(Floats(dtable), Floats(dy), (int*)ids.Address, (int)ids.Count, width);
        threads.Run(Partition.Pieces(width, ColumnBlock), job);
    }

    /// <summary>to [columns] (+)= the sum of rows of dy, in order, beginning with what is there.</summary>
    void SumRepeats(float* to, long columns, float* dy, long first, long pitch, long rows, bool add) =>
        threads.Run(Partition.Pieces(columns, ColumnBlock), new RepeatJob(to, columns, dy + first, pitch, rows, add));

    /// <summary>A block is a run of elements: to (+)= from.</summary>
    readonly struct PassJob(float* to, float* from, long count, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long first = (long)index * BlockFloats;
            int columns = (int)Math.Min(BlockFloats, count - first);
            Sums.Write<V>(to + first, 0, from + first, 0, 1, columns, add);
        }
    }

    /// <summary>A block is some rows: to (+)= some columns of from.</summary>
    readonly struct PartJob(float* to, int columns, float* from, int pitch, long rows, int rowsPerBlock, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long first = (long)index * rowsPerBlock;
            int count = (int)Math.Min(rowsPerBlock, rows - first);
            Sums.Write<V>(to + first * columns, columns, from + first * pitch, pitch, count, columns, add);
        }
    }

    /// <summary>A block is some columns.</summary>
    readonly struct RepeatJob(float* to, long columns, float* from, long pitch, long rows, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(columns, (index + 1L) * ColumnBlock);
            for (long c = (long)index * ColumnBlock; c < end; c += V.Width)
            {
                int count = (int)Math.Min(V.Width, end - c);
                V sum = add ? V.LoadPartial(to + c, count) : V.Zero;
                for (long row = 0; row < rows; row++)
                {
                    sum += V.LoadPartial(from + row * pitch + c, count);
                }

                sum.StorePartial(to + c, count);
            }
        }
    }

    /// <summary>A block is some pixels.</summary>
    readonly struct BlendGradientJob(
        float* da, float* db, float* dy, float* mask, long pixels, int channels, int pixelsPerBlock, bool add) : IJob
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
                    Give(da, i, m * dy[i]);
                    Give(db, i, (1 - m) * dy[i]);
                }
            }
        }

        void Give(float* to, long i, float value)
        {
            if (to != null)
            {
                to[i] = add ? to[i] + value : value;
            }
        }
    }

    /// <summary>A block is some columns of all rows.</summary>
    readonly struct EmbedGradientJob(float* dtable, float* dy, int* ids, int count, int width) : IJob
    {
        public void Run(int index, Worker worker)
        {
            int first = index * ColumnBlock;
            int columns = Math.Min(ColumnBlock, width - first);
            for (int i = 0; i < count; i++)
            {
                Sums.Write<V>(dtable + (long)ids[i] * width + first, 0, dy + (long)i * width + first, 0, 1, columns, true);
            }
        }
    }
}
