using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    // Most keys whose scores are kept at once: they fit the first-level cache, in whole tiles of the micro-kernel at every level.
    const int KeyBlock = 126;

    /// <summary>A block is some panels of queries of one head of one set; it goes through the keys once.</summary>
    struct AttentionJob : IJob
    {
        const int MaxPanels = 8;

        // Queries and sums of a block's panels share the second-level cache with a block of keys and values.
        const int MaxPanelBytes = 256 * 1024;
        const int BlocksPerThread = 4;

        public required float* Y;
        public required float* Q;
        public required float* K;
        public required float* Values;

        /// <summary>Null, or room for [images, heads, tokens].</summary>
        public required float* LogSumExp;

        /// <summary>Null, or one value for each <see cref="KeysPerBias"/> keys.</summary>
        public required float* Bias;
        public required int KeysPerBias;

        /// <summary>Null: every image is a set.</summary>
        public required int* QueryBounds;
        public required int* KeyBounds;
        public required int Sets;
        public required int QueryTokens;
        public required int KeyTokens;
        public required int Channels;
        public required int Heads;
        public required bool Causal;
        public int PanelsPerBlock;

        readonly int Width => Channels / Heads;

        /// <summary>Fewer panels a block where there would be too few blocks; no result depends on it.</summary>
        public readonly int ChoosePanelsPerBlock(int threads)
        {
            long panels = 0;
            for (int set = 0; set < Sets; set++)
            {
                panels += Partition.Pieces(QueryCount(set), V.TileColumns) * (long)Heads;
            }

            int most = Math.Clamp(MaxPanelBytes / (2 * Width * V.TileColumns * sizeof(float)), 1, MaxPanels);
            return (int)Math.Clamp(panels / (BlocksPerThread * threads), 1, most);
        }

        public readonly int BlockCount()
        {
            int blocks = 0;
            for (int set = 0; set < Sets; set++)
            {
                blocks = checked(blocks + Groups(set) * Heads);
            }

            return blocks;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run(int index, Worker worker)
        {
            int set = 0;
            for (; index >= Groups(set) * Heads; set++)
            {
                index -= Groups(set) * Heads;
            }

            int head = index / Groups(set);
            long first = (long)(index % Groups(set)) * PanelsPerBlock * V.TileColumns;
            int queries = (int)Math.Min(QueryCount(set) - first, PanelsPerBlock * V.TileColumns);
            int panels = Partition.Pieces(queries, V.TileColumns);

            long panelFloats = 2L * (Width + 1) * V.TileColumns;
            float* scores = worker.Scratch(KeyBlock * V.TileColumns + panels * panelFloats);
            float* scratch = scores + KeyBlock * V.TileColumns;
            long rows = FirstQuery(set) + first;
            for (int p = 0; p < panels; p++)
            {
                int panelRow = p * V.TileColumns;
                var panel = new AttentionPanel(scratch + p * panelFloats, Width);
                float* q = Q + (rows + panelRow) * Channels + head * Width;
                panel.Begin(q, Channels, Math.Min(queries - panelRow, V.TileColumns));
            }

            Stream(scratch, panels, panelFloats, scores, set, head, (int)first);
            for (int p = 0; p < panels; p++)
            {
                int panelRow = p * V.TileColumns;
                var panel = new AttentionPanel(scratch + p * panelFloats, Width);
                int count = Math.Min(queries - panelRow, V.TileColumns);
                if (LogSumExp != null)
                {
                    SaveLogSumExp(panel, rows + panelRow, head, count);
                }

                panel.End(Y + (rows + panelRow) * Channels + head * Width, Channels, count);
            }
        }

        /// <summary>
        /// All keys of a set for the panels, the first of which begins with query <paramref name="firstQuery"/> of the set.
        /// </summary>
        readonly void Stream(float* scratch, int panels, long panelFloats, float* scores, int set, int head, int firstQuery)
        {
            long firstKey = FirstKey(set);
            int keys = checked((int)(FirstKey(set, 1) - firstKey));
            int blocks = Partition.Pieces(keys, KeyBlock);
            for (int block = 0; block < blocks; block++)
            {
                int key = Partition.Start(keys, blocks, block);
                int count = Partition.Start(keys, blocks, block + 1) - key;
                long row = firstKey + key;
                if (Bias != null && AllDropped(row, count))
                {
                    continue;
                }

                float* k = K + row * Channels + head * Width;
                float* values = Values + row * Channels + head * Width;
                for (int p = 0; p < panels; p++)
                {
                    int ahead = key - (firstQuery + p * V.TileColumns);
                    if (Causal && ahead >= V.TileColumns)
                    {
                        continue;
                    }

                    var panel = new AttentionPanel(scratch + p * panelFloats, Width);
                    if (Bias != null)
                    {
                        FillBias(scores, row, count);
                    }

                    panel.Scores(k, Channels, count, scores, Bias != null);
                    if (Causal)
                    {
                        DropLater(scores, count, ahead);
                    }

                    panel.Softmax(scores, count);
                    panel.Accumulate(values, Channels, count, scores);
                }
            }
        }

        readonly void SaveLogSumExp(in AttentionPanel panel, long row, int head, int count)
        {
            for (int i = 0; i < count; i++)
            {
                (long image, long token) = Math.DivRem(row + i, QueryTokens);
                LogSumExp[(image * Heads + head) * QueryTokens + token] = panel.LogSumExp(i);
            }
        }

        readonly float BiasOf(long key) => Bias[key / KeysPerBias];

        readonly bool AllDropped(long key, int count)
        {
            for (int i = 0; i < count; i++)
            {
                if (!float.IsNegativeInfinity(BiasOf(key + i)))
                {
                    return false;
                }
            }

            return true;
        }

        /// <summary>Scores begin as the bias, in powers of two as the queries are.</summary>
        readonly void FillBias(float* scores, long key, int count)
        {
            for (int i = 0; i < count; i++, scores += V.TileColumns)
            {
                V value = V.Create(BiasOf(key + i) * AttentionPanel.Log2E);
                value.Store(scores);
                value.Store(scores + V.Width);
            }
        }

        /// <summary>
        /// Drops the scores of keys that come after their query; the first key is <paramref name="ahead"/> after the first query.
        /// </summary>
        static void DropLater(float* scores, int count, int ahead)
        {
            for (int i = Math.Max(0, 1 - ahead); i < count; i++)
            {
                new Span<float>(scores + i * V.TileColumns, Math.Min(ahead + i, V.TileColumns)).Fill(float.NegativeInfinity);
            }
        }

        readonly long FirstQuery(int set, int next = 0) => (long)(QueryBounds == null ? set + next : QueryBounds[set + next]) * QueryTokens;

        readonly long FirstKey(int set, int next = 0) => (long)(KeyBounds == null ? set + next : KeyBounds[set + next]) * KeyTokens;

        readonly long QueryCount(int set) => FirstQuery(set, 1) - FirstQuery(set);

        readonly int Groups(int set)
        {
            long queries = QueryCount(set);
            return queries == 0 ? 0 : Partition.Pieces(queries, PanelsPerBlock * V.TileColumns);
        }
    }
}
