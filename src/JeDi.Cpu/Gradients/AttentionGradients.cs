using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    /// <summary>
    /// A block is a head of a set and a share of its keys. Keys lie across the lanes, TileColumns to a panel; a block of queries goes
    /// through the panels: scores S = Q K^T and weights P = 2^(S - l), dP = dY V^T, dS = P (dP - D), then dV^T += dY^T P and
    /// dK^T += Q^T dS of the panel, dQ += dS K of the queries. Five products; every sum runs in the order of queries or of keys.
    /// </summary>
    readonly struct AttentionGradientJob(AttentionTensors t) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int head = index / t.Shares % t.Heads;
            int set = index / t.Shares / t.Heads;
            int share = index % t.Shares;
            int setKeys = t.KeyCount(set);
            int setPanels = Partition.Pieces(setKeys, V.TileColumns);
            int firstPanel = Partition.Start(setPanels, t.Shares, share);
            int panels = Partition.Start(setPanels, t.Shares, share + 1) - firstPanel;
            int queries = t.QueryCount(set);
            if (queries == 0 || setKeys == 0)
            {
                return;
            }

            int width = t.Width;
            int blocks = Partition.Pieces(queries, QueryBlock);
            int most = (queries + blocks - 1) / blocks;
            var room = new AttentionRoom(width, most, panels);
            float* scratch = worker.Scratch(room.Floats);
            for (int p = 0; p < panels; p++)
            {
                PackKeys(room.Panel(scratch, p), set, head, (firstPanel + p) * V.TileColumns, setKeys);
            }

            for (int block = 0; block < blocks; block++)
            {
                int first = Partition.Start(queries, blocks, block);
                int count = Partition.Start(queries, blocks, block + 1) - first;
                TakeQueries(room, scratch, set, head, first, count);
                for (int p = 0; p < panels; p++)
                {
                    int key = (firstPanel + p) * V.TileColumns;
                    if (!t.Causal || key < first + count)
                    {
                        Panel(room, scratch, room.Panel(scratch, p), first, count, key);
                    }
                }

                GiveQueries(room, scratch, set, head, share, first, count);
            }

            for (int p = 0; p < panels; p++)
            {
                GiveKeys(room.Panel(scratch, p), set, head, (firstPanel + p) * V.TileColumns, setKeys);
            }
        }

        /// <summary>K^T and V^T of a panel, its keys for the product with dS, its biases; sums begin at 0.</summary>
        void PackKeys(AttentionKeys panel, int set, int head, int key, int setKeys)
        {
            int width = t.Width;
            int count = Math.Clamp(setKeys - key, 0, V.TileColumns);
            long row = t.FirstKey(set) + key;
            float* k = t.K + row * t.Channels + head * width;
            float* v = t.Values + row * t.Channels + head * width;
            if (count < V.TileColumns)
            {
                new Span<float>(panel.Keys, width * V.TileColumns).Clear();
                new Span<float>(panel.Values, width * V.TileColumns).Clear();
            }

            Transposition.Run(panel.Keys, V.TileColumns, k, t.Channels, count, width);
            Transposition.Run(panel.Values, V.TileColumns, v, t.Channels, count, width);
            new Span<float>(panel.KeySums, width * V.TileColumns).Clear();
            new Span<float>(panel.ValueSums, width * V.TileColumns).Clear();
            new Span<float>(panel.BiasSums, V.TileColumns).Clear();
            for (int i = 0; i < V.TileColumns; i++)
            {
                float bias = t.Bias == null || i >= count ? 0 : t.Bias[(row + i) / t.KeysPerBias] * AttentionTensors.Log2E;
                panel.Biases[i] = i < count ? bias : float.NegativeInfinity;
            }

            float* target = panel.Rows;
            for (int c = 0; c < width; c += V.TileColumns)
            {
                for (int i = 0; i < V.TileColumns; i++)
                {
                    for (int j = 0; j < V.TileColumns; j += V.Width, target += V.Width)
                    {
                        int part = i < count ? Math.Clamp(width - c - j, 0, V.Width) : 0;
                        Take(k + (long)i * t.Channels + c + j, part).Store(target);
                    }
                }
            }
        }

        /// <summary>Queries times log2(e) / sqrt(width), dY, log-sum-exp in powers of two, D; sums begin at 0.</summary>
        void TakeQueries(in AttentionRoom room, float* scratch, int set, int head, int first, int count)
        {
            int width = t.Width;
            V scale = V.Create(AttentionTensors.Log2E / MathF.Sqrt(width));
            float* queries = room.Queries(scratch);
            float* gradients = room.Gradients(scratch);
            float* levels = room.Levels(scratch);
            float* means = room.Means(scratch);
            for (int i = 0; i < count; i++)
            {
                long row = t.FirstQuery(set) + first + i;
                long at = row * t.Channels + head * width;
                V sum = V.Zero;
                for (int c = 0; c < width; c += V.Width)
                {
                    int part = Math.Min(V.Width, width - c);
                    (Take(t.Q + at + c, part) * scale).StorePartial(queries + i * room.Pitch + c, part);
                    V d = Take(t.DY + at + c, part);
                    d.StorePartial(gradients + i * room.Pitch + c, part);
                    sum = V.MultiplyAdd(d, Take(t.Y + at + c, part), sum);
                }

                (long image, long token) = Math.DivRem(row, t.QueryTokens);
                float level = t.LogSumExp[(image * t.Heads + head) * t.QueryTokens + token] * AttentionTensors.Log2E;

                // Every key was dropped: weights of 2^(x - infinity) = 0.
                levels[i] = float.IsNegativeInfinity(level) ? float.PositiveInfinity : level;
                means[i] = V.Sum(sum);
            }

            new Span<float>(room.QuerySums(scratch), checked((int)(count * room.SumPitch))).Clear();
        }

        void Panel(in AttentionRoom room, float* scratch, AttentionKeys panel, int first, int count, int key)
        {
            int width = t.Width;
            float* queries = room.Queries(scratch);
            float* gradients = room.Gradients(scratch);
            float* weights = room.Weights(scratch);
            float* slopes = room.Slopes(scratch);

            // Queries before the panel's first key see none of it.
            int skip = t.Causal ? Math.Max(0, key - first) : 0;
            int rows = count - skip;
            nint offset = skip * room.Pitch;
            MatrixProduct.Multiply<V>(queries + offset, room.Pitch, rows, panel.Keys, 0, 1, width, weights, V.TileColumns, false);
            MatrixProduct.Multiply<V>(gradients + offset, room.Pitch, rows, panel.Values, 0, 1, width, slopes, V.TileColumns, false);
            Slopes(weights, slopes, panel, room.Levels(scratch) + skip, room.Means(scratch) + skip, rows, first + skip - key);
            Accumulate(panel.ValueSums, gradients + offset, room.Pitch, weights, rows);
            Accumulate(panel.KeySums, queries + offset, room.Pitch, slopes, rows);
            float* sums = room.QuerySums(scratch) + skip * room.SumPitch;
            MatrixProduct.Multiply<V>(
                slopes, V.TileColumns, rows, panel.Rows, (nint)V.TileColumns * V.TileColumns, Partition.Pieces(width, V.TileColumns),
                V.TileColumns, sums, room.SumPitch, true, width);
        }

        /// <summary>Scores become weights, dP becomes dS.</summary>
        /// <param name="ahead">Place of the first query among the keys, from the panel's first one on.</param>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void Slopes(float* weights, float* slopes, AttentionKeys panel, float* levels, float* means, int rows, int ahead)
        {
            V bias0 = V.Load(panel.Biases);
            V bias1 = V.Load(panel.Biases + V.Width);
            V sum0 = V.Zero;
            V sum1 = V.Zero;
            for (int i = 0; i < rows; i++, weights += V.TileColumns, slopes += V.TileColumns)
            {
                V level = V.Create(levels[i]);
                V weight0 = SimdMath.Exp2(V.Load(weights) + bias0 - level);
                V weight1 = SimdMath.Exp2(V.Load(weights + V.Width) + bias1 - level);
                weight0.Store(weights);
                weight1.Store(weights + V.Width);
                int seen = ahead + i + 1;
                if (t.Causal && seen < V.TileColumns)
                {
                    new Span<float>(weights + seen, V.TileColumns - seen).Clear();
                    weight0 = V.Load(weights);
                    weight1 = V.Load(weights + V.Width);
                }

                V mean = V.Create(means[i]);
                V slope0 = weight0 * (V.Load(slopes) - mean);
                V slope1 = weight1 * (V.Load(slopes + V.Width) - mean);
                slope0.Store(slopes);
                slope1.Store(slopes + V.Width);
                sum0 += slope0;
                sum1 += slope1;
            }

            (V.Load(panel.BiasSums) + sum0).Store(panel.BiasSums);
            (V.Load(panel.BiasSums + V.Width) + sum1).Store(panel.BiasSums + V.Width);
        }

        /// <summary>sums [width][lanes] += a^T b.</summary>
        void Accumulate(float* sums, float* a, nint pitch, float* b, int rows)
        {
            int width = t.Width;
            int tiles = Partition.Pieces(width, V.TileRows);
            for (int i = 0; i < tiles; i++)
            {
                int first = Partition.Start(width, tiles, i);
                int count = Partition.Start(width, tiles, i + 1) - first;
                V.MultiplyTransposed(count, a + first, pitch, b, rows, sums + first * V.TileColumns, V.TileColumns, true);
            }
        }

        /// <summary>dq (+)= the sums / sqrt(width), or this share's part of it.</summary>
        void GiveQueries(in AttentionRoom room, float* scratch, int set, int head, int share, int first, int count)
        {
            if (t.DQ == null)
            {
                return;
            }

            int width = t.Width;
            V scale = V.Create(1 / MathF.Sqrt(width));
            float* target = t.Shares > 1 ? t.Parts + share * t.PartFloats : t.DQ;
            bool add = t.Add && t.Shares == 1;
            for (int i = 0; i < count; i++)
            {
                float* from = room.QuerySums(scratch) + i * room.SumPitch;
                float* to = target + (t.FirstQuery(set) + first + i) * t.Channels + head * width;
                for (int c = 0; c < width; c += V.Width)
                {
                    int part = Math.Min(V.Width, width - c);
                    V value = V.Load(from + c) * scale;
                    (add ? Take(to + c, part) + value : value).StorePartial(to + c, part);
                }
            }
        }

        /// <summary>dk (+)= the sums of (scaled queries) dS times ln 2, dv (+)= those of dY P, dbias.</summary>
        void GiveKeys(AttentionKeys panel, int set, int head, int key, int setKeys)
        {
            int count = Math.Min(setKeys - key, V.TileColumns);
            long row = t.FirstKey(set) + key;
            if (t.DBias != null)
            {
                new ReadOnlySpan<float>(panel.BiasSums, count).CopyTo(new Span<float>(t.BiasParts + head * t.AllKeys + row, count));
            }

            Give(t.DK, panel.KeySums, row, head, count, 1 / AttentionTensors.Log2E, panel.Rows);
            Give(t.DV, panel.ValueSums, row, head, count, 1, panel.Rows);
        }

        void Give(float* target, float* sums, long row, int head, int count, float scale, float* turned)
        {
            if (target == null)
            {
                return;
            }

            int width = t.Width;
            float* to = target + row * t.Channels + head * width;
            if (!t.Add)
            {
                Transposition.Run(to, t.Channels, sums, V.TileColumns, width, count, scale);
                return;
            }

            // The panel's own keys are not needed any more.
            Transposition.Run(turned, width, sums, V.TileColumns, width, count, scale);
            Sums.Write<V>(to, t.Channels, turned, width, count, width, true);
        }
    }
}
