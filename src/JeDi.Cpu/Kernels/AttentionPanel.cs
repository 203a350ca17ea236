using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    /// <summary>
    /// A panel of up to TileColumns queries of one head, one query a lane: scaled queries [width][lanes], running weighted sums of the
    /// values
    /// [width][lanes], running maximum and total of the softmax [lanes].
    /// </summary>
    readonly struct AttentionPanel(float* scratch, int width)
    {
        public const float Log2E = 1.44269504f;

        // Powers of two become powers of e by the rounded constant that made the scores.
        const double Log2EDouble = Log2E;

        readonly float* queries = scratch;

        float* Sums => queries + width * V.TileColumns;

        float* Maxima => Sums + width * V.TileColumns;

        float* Totals => Maxima + V.TileColumns;

        /// <summary>Takes <paramref name="count"/> queries, times log2(e) / sqrt(width): the softmax works in powers of two.</summary>
        public void Begin(float* q, nint pitch, int count)
        {
            if (count < V.TileColumns)
            {
                new Span<float>(queries, width * V.TileColumns).Clear();
            }

            Transposition.Run(queries, V.TileColumns, q, pitch, count, width, Log2E / MathF.Sqrt(width));
            new Span<float>(Sums, width * V.TileColumns).Clear();
            new Span<float>(Maxima, V.TileColumns).Fill(float.MinValue);
            new Span<float>(Totals, V.TileColumns).Clear();
        }

        /// <summary>scores [count][lanes] (+)= K Q^T.</summary>
        public void Scores(float* k, nint pitch, int count, float* scores, bool accumulate) =>
            MatrixProduct.Multiply<V>(k, pitch, count, queries, 0, 1, width, scores, V.TileColumns, accumulate);

        /// <summary>Scores to weights 2^(score - maximum); earlier sums and totals are brought to the new maximum.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Softmax(float* scores, int count)
        {
            V before0 = V.Load(Maxima);
            V before1 = V.Load(Maxima + V.Width);
            V most0 = before0;
            V most1 = before1;
            float* s = scores;
            for (int i = 0; i < count; i++, s += V.TileColumns)
            {
                most0 = V.Max(most0, V.Load(s));
                most1 = V.Max(most1, V.Load(s + V.Width));
            }

            V total0 = V.Load(Totals);
            V total1 = V.Load(Totals + V.Width);
            if (!V.AllEqual(before0, most0) || !V.AllEqual(before1, most1))
            {
                V factor0 = SimdMath.Exp2(before0 - most0);
                V factor1 = SimdMath.Exp2(before1 - most1);
                total0 *= factor0;
                total1 *= factor1;
                MultiplySums(factor0, factor1);
                most0.Store(Maxima);
                most1.Store(Maxima + V.Width);
            }

            V sum0 = V.Zero;
            V sum1 = V.Zero;
            s = scores;
            for (int i = 0; i < count; i++, s += V.TileColumns)
            {
                V weight0 = SimdMath.Exp2(V.Load(s) - most0);
                V weight1 = SimdMath.Exp2(V.Load(s + V.Width) - most1);
                weight0.Store(s);
                weight1.Store(s + V.Width);
                sum0 += weight0;
                sum1 += weight1;
            }

            (total0 + sum0).Store(Totals);
            (total1 + sum1).Store(Totals + V.Width);
        }

        /// <summary>Sums += V^T P^T for <paramref name="count"/> keys.</summary>
        public void Accumulate(float* values, nint pitch, int count, float* weights)
        {
            int tiles = Partition.Pieces(width, V.TileRows);
            for (int t = 0; t < tiles; t++)
            {
                int first = Partition.Start(width, tiles, t);
                int rows = Partition.Start(width, tiles, t + 1) - first;
                V.MultiplyTransposed(rows, values + first, pitch, weights, count, Sums + first * V.TileColumns, V.TileColumns, true);
            }
        }

        /// <summary>Natural logarithm of the sum of the exponentials of a query's scores.</summary>
        public float LogSumExp(int query)
        {
            double total = Totals[query];
            return total == 0 ? float.NegativeInfinity : (float)(Maxima[query] / Log2EDouble + Math.Log(total));
        }

        /// <summary>Divides by the totals and writes the queries' rows.</summary>
        public void End(float* y, nint pitch, int count)
        {
            MultiplySums(Inverse(V.Load(Totals)), Inverse(V.Load(Totals + V.Width)));
            Transposition.Run(y, pitch, Sums, V.TileColumns, width, count);
        }

        /// <summary>means [count][lanes] += share * weights / totals.</summary>
        public void AddProbabilities(float* means, float* weights, int count, float share)
        {
            V factor0 = Inverse(V.Load(Totals)) * V.Create(share);
            V factor1 = Inverse(V.Load(Totals + V.Width)) * V.Create(share);
            for (int i = 0; i < count; i++, means += V.TileColumns, weights += V.TileColumns)
            {
                V.MultiplyAdd(V.Load(weights), factor0, V.Load(means)).Store(means);
                V.MultiplyAdd(V.Load(weights + V.Width), factor1, V.Load(means + V.Width)).Store(means + V.Width);
            }
        }

        /// <summary>1 / total. The largest weight of a query is 1, so a total below that is 0: every key was dropped.</summary>
        static V Inverse(V total) => V.IfLess(total, V.Create(0.5f), V.Zero, V.Create(1) / total);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void MultiplySums(V factor0, V factor1)
        {
            float* s = Sums;
            for (int c = 0; c < width; c++, s += V.TileColumns)
            {
                (V.Load(s) * factor0).Store(s);
                (V.Load(s + V.Width) * factor1).Store(s + V.Width);
            }
        }
    }
}
