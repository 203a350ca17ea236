using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    // Weights and slopes of a block of queries and a panel of keys share the first-level cache.
    const int QueryBlock = 126;

    public override void Attention(
        Tensor dq, Tensor dk, Tensor dv, Tensor dbias, Tensor dy, Tensor q, Tensor k, Tensor v, Tensor y, Tensor logSumExp, int heads,
        AttentionSets sets, Tensor bias, bool causal, bool add)
    {
        var t = new AttentionTensors
        {
            DQ = Floats(dq),
            DK = Floats(dk),
            DV = Floats(dv),
            DBias = Floats(dbias),
            DY = Floats(dy),
            Q = Floats(q),
            K = Floats(k),
            Values = Floats(v),
            Y = Floats(y),
            LogSumExp = Floats(logSumExp),
            Bias = Floats(bias),
            KeysPerBias = bias.Exists && bias.Count == k.Shape[0] ? k.Shape[1] : 1,
            QueryBounds = (int*)sets.Queries.Address,
            KeyBounds = (int*)sets.Keys.Address,
            Sets = sets.Queries.Exists ? (int)sets.Queries.Count - 1 : q.Shape[0],
            QueryTokens = q.Shape[1],
            KeyTokens = k.Shape[1],
            Channels = q.Shape[2],
            Heads = heads,
            Causal = causal,
            Add = add,
            Shares = Shares(heads, k.Shape[1]),
            AllKeys = k.Shape.RowCount,
            PartFloats = Aligned(q.Count),
        };
        using Lock.Scope turn = gate.EnterScope();
        long parts = t.Shares > 1 ? t.Shares * t.PartFloats : 0;
        t.Parts = Shared(parts + (dbias.Exists ? heads * t.AllKeys : 0));
        t.BiasParts = t.Parts + parts;
        if (dbias.Exists)
        {
            new Span<float>(t.BiasParts, checked((int)(heads * t.AllKeys))).Clear();
        }

        ClearUnseen(t, k.Shape[0]);

        threads.Run(t.Sets * heads * t.Shares, new AttentionGradientJob(t));
        if (t.Shares > 1 && dq.Exists)
        {
            threads.Run(Partition.Pieces(dq.Count, BlockFloats), new JoinSharesJob(t, dq.Count));
        }

        if (dbias.Exists)
        {
            AddBiases(t, dbias.Count);
        }
    }

    /// <summary>
    /// Into how many parts the keys of a set are cut, so that few heads with long sums keep the threads busy. It follows from one image.
    /// </summary>
    static int Shares(int heads, int keyTokens)
    {
        const int WantedBlocks = 8;
        const int LeastKeys = 1024;
        return keyTokens < LeastKeys ? 1 : Math.Max(1, WantedBlocks / heads);
    }

    /// <summary>Queries that see no keys, and keys that nobody sees, get (or add) 0.</summary>
    static void ClearUnseen(in AttentionTensors t, int keyImages)
    {
        for (int set = 0; set < t.Sets; set++)
        {
            for (int share = 0; t.Shares > 1 && t.KeyCount(set) == 0 && share < t.Shares; share++)
            {
                ClearRows(t.Parts + share * t.PartFloats, t.FirstQuery(set), t.QueryCount(set), t.Channels);
            }

            if (!t.Add && t.KeyCount(set) == 0)
            {
                ClearRows(t.DQ, t.FirstQuery(set), t.QueryCount(set), t.Channels);
            }
            else if (!t.Add && t.QueryCount(set) == 0)
            {
                ClearRows(t.DK, t.FirstKey(set), t.KeyCount(set), t.Channels);
                ClearRows(t.DV, t.FirstKey(set), t.KeyCount(set), t.Channels);
            }
        }

        if (t.Add)
        {
            return;
        }

        long first = t.FirstKey(0);
        long end = t.FirstKey(t.Sets);
        long all = (long)keyImages * t.KeyTokens;
        ClearRows(t.DK, 0, first, t.Channels);
        ClearRows(t.DV, 0, first, t.Channels);
        ClearRows(t.DK, end, all - end, t.Channels);
        ClearRows(t.DV, end, all - end, t.Channels);
    }

    static void ClearRows(float* tensor, long row, long rows, int channels)
    {
        if (tensor != null && rows > 0)
        {
            new Span<float>(tensor + row * channels, checked((int)(rows * channels))).Clear();
        }
    }

    /// <summary>dbias += the heads' sums, in order of the heads, then of the keys that share a bias.</summary>
    static void AddBiases(in AttentionTensors t, long count)
    {
        for (long i = 0; i < count; i++)
        {
            float sum = 0;
            for (long key = i * t.KeysPerBias; key < (i + 1) * t.KeysPerBias; key++)
            {
                for (int head = 0; head < t.Heads; head++)
                {
                    sum += t.BiasParts[head * t.AllKeys + key];
                }
            }

            t.DBias[i] += sum;
        }
    }

    /// <summary>A block is a run of elements: the shares' parts, in order.</summary>
    readonly struct JoinSharesJob(AttentionTensors t, long count) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(count, (index + 1L) * BlockFloats);
            for (long i = (long)index * BlockFloats; i < end; i += V.Width)
            {
                int part = (int)Math.Min(V.Width, end - i);
                V sum = t.Add ? Take(t.DQ + i, part) : V.Zero;
                for (int share = 0; share < t.Shares; share++)
                {
                    sum += Take(t.Parts + share * t.PartFloats + i, part);
                }

                sum.StorePartial(t.DQ + i, part);
            }
        }
    }

    /// <summary>Sizes of a block's scratch memory: queries, their sums, weights and slopes of one panel, panels of keys.</summary>
    readonly struct AttentionRoom(int width, int queries, int panels)
    {
        /// <summary>Floats from query to query.</summary>
        public nint Pitch { get; } = (width + V.Width - 1) / V.Width * V.Width + V.Width;

        /// <summary>Floats from query to query of their sums, whole panels.</summary>
        public nint SumPitch { get; } = Partition.Pieces(width, V.TileColumns) * V.TileColumns;

        nint RowFloats => 2 * Pitch + SumPitch + 2 * V.TileColumns;

        nint QueryFloats => Lines(2 * queries) + queries * RowFloats;

        nint PanelFloats => V.TileColumns * (4 * (nint)width + SumPitch + 2);

        public long Floats => QueryFloats + panels * (long)PanelFloats;

        public float* Levels(float* scratch) => scratch;

        public float* Means(float* scratch) => scratch + queries;

        public float* Queries(float* scratch) => scratch + Lines(2 * queries);

        public float* Gradients(float* scratch) => Queries(scratch) + queries * Pitch;

        public float* QuerySums(float* scratch) => Gradients(scratch) + queries * Pitch;

        public float* Weights(float* scratch) => QuerySums(scratch) + queries * SumPitch;

        public float* Slopes(float* scratch) => Weights(scratch) + queries * V.TileColumns;

        public AttentionKeys Panel(float* scratch, int index)
        {
            nint size = (nint)width * V.TileColumns;
            float* first = scratch + QueryFloats + index * PanelFloats;
            return new AttentionKeys
            {
                Keys = first,
                Values = first + size,
                KeySums = first + 2 * size,
                ValueSums = first + 3 * size,
                Rows = first + 4 * size,
                Biases = first + 4 * size + SumPitch * V.TileColumns,
                BiasSums = first + 4 * size + (SumPitch + 1) * V.TileColumns,
            };
        }

        static nint Lines(int floats) => (floats + 15) / 16 * 16;
    }
}
