using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    const int BlockBytes = BlockFloats * sizeof(float);

    public override void Copy(Tensor y, Tensor x, float limit = 0)
    {
        if (limit > 0)
        {
            threads.Run(Partition.Pieces(y.Count, BlockFloats), new LimitJob(Floats(y), Floats(x), y.Count, limit));
            return;
        }

        threads.Run(Partition.Pieces(y.Bytes, BlockBytes), new CopyJob((byte*)y.Address, (byte*)x.Address, y.Bytes));
    }

    public override void SplitMoments(Tensor mean, Tensor logVariance, Tensor moments)
    {
        int channels = mean.Shape[-1];
        int pixelsPerBlock = Math.Max(1, BlockFloats / (2 * channels));
        var job = new SplitJob(Floats(mean), Floats(logVariance), Floats(moments), channels, mean.Shape.RowCount, pixelsPerBlock);
        threads.Run(Partition.Pieces(mean.Shape.RowCount, pixelsPerBlock), job);
    }

    public override void Concat(Tensor y, Tensor a, Tensor b)
    {
        int left = a.Shape[-1];
        int right = b.Shape[-1];
        long rows = y.Shape.RowCount;
        int rowsPerBlock = Math.Max(1, BlockFloats / Math.Max(1, left + right));
        long leftPitch = a.Shape.RowCount == 1 ? 0 : left;
        long rightPitch = b.Shape.RowCount == 1 ? 0 : right;
        var job = new ConcatJob(Floats(y), Floats(a), Floats(b), left, leftPitch, right, rightPitch, rows, rowsPerBlock);
        threads.Run(Partition.Pieces(rows, rowsPerBlock), job);
    }

    /// <exception cref="ArgumentException">An id lies outside the table.</exception>
    public override void Embed(Tensor y, Tensor table, Tensor ids)
    {
        int* wanted = (int*)ids.Address;
        int entries = table.Shape[0];
        for (int i = 0; i < ids.Count; i++)
        {
            if ((uint)wanted[i] >= (uint)entries)
            {
                throw new ArgumentException(
                    $"Embed: id {wanted[i]} at {i} is outside of the table {table.Shape}; ids are 0 to {entries - 1}");
            }
        }

        if (table.DType != y.DType)
        {
            int length = checked((int)(table.Count / entries));
            threads.Run((int)ids.Count, new WidenEntryJob(Floats(y), (void*)table.Address, table.DType, wanted, length));
            return;
        }

        long entryBytes = entries == 0 ? 0 : table.Bytes / entries;
        int pieces = Partition.Pieces(entryBytes, BlockBytes);
        threads.Run(checked((int)ids.Count * pieces), new EmbedJob((byte*)y.Address, (byte*)table.Address, wanted, entryBytes, pieces));
    }

    /// <summary>A block is a run of bytes.</summary>
    readonly struct CopyJob(byte* y, byte* x, long bytes) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long first = (long)index * BlockBytes;
            long count = Math.Min(BlockBytes, bytes - first);
            Buffer.MemoryCopy(x + first, y + first, count, count);
        }
    }

    /// <summary>y = limit tanh(x / limit); a block is a run of floats.</summary>
    readonly struct LimitJob(float* y, float* x, long count, float limit) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long first = (long)index * BlockFloats;
            long end = Math.Min(count, first + BlockFloats);
            V scale = V.Create(limit);
            for (long i = first; i < end; i += V.Width)
            {
                int part = (int)Math.Min(V.Width, end - i);
                (scale * SimdMath.Tanh(V.LoadPartial(x + i, part) / scale)).StorePartial(y + i, part);
            }
        }
    }

    /// <summary>A block is some pixels.</summary>
    readonly struct SplitJob(float* mean, float* logVariance, float* moments, int channels, long pixels, int pixelsPerBlock) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(pixels, (index + 1L) * pixelsPerBlock);
            for (long pixel = (long)index * pixelsPerBlock; pixel < end; pixel++)
            {
                float* from = moments + 2 * pixel * channels;
                for (int c = 0; c < channels; c++)
                {
                    mean[pixel * channels + c] = from[c];
                    logVariance[pixel * channels + c] = Math.Clamp(from[channels + c], LeastLogVariance, MostLogVariance);
                }
            }
        }
    }

    /// <summary>A block is some rows; a pitch of 0 repeats a single row.</summary>
    readonly struct ConcatJob(
        float* y, float* a, float* b, int left, long leftPitch, int right, long rightPitch, long rows, int rowsPerBlock) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long first = (long)index * rowsPerBlock;
            long end = Math.Min(rows, first + rowsPerBlock);
            for (long row = first; row < end; row++)
            {
                float* to = y + row * (left + right);
                new ReadOnlySpan<float>(a + row * leftPitch, left).CopyTo(new Span<float>(to, left));
                new ReadOnlySpan<float>(b + row * rightPitch, right).CopyTo(new Span<float>(to + left, right));
            }
        }
    }

    /// <summary>A block is a piece of an entry.</summary>
    readonly struct EmbedJob(byte* y, byte* table, int* ids, long entryBytes, int pieces) : IJob
    {
        public void Run(int index, Worker worker)
        {
            int entry = index / pieces;
            long first = (long)(index % pieces) * BlockBytes;
            long count = Math.Min(BlockBytes, entryBytes - first);
            Buffer.MemoryCopy(table + ids[entry] * entryBytes + first, y + entry * entryBytes + first, count, count);
        }
    }

    /// <summary>A block is an entry of a two-byte table.</summary>
    readonly struct WidenEntryJob(float* y, void* table, DType type, int* ids, int length) : IJob
    {
        public void Run(int index, Worker worker) =>
            Widen.ToFloats<V>(y + (nint)index * length, table, type, (long)ids[index] * length, length);
    }
}
