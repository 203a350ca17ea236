using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias)
    {
        int queries = checked((int)q.Shape.RowCount);
        int keys = checked((int)k.Shape.RowCount);
        int keysPerBias = bias.Exists && bias.Count == k.Shape[0] ? k.Shape[1] : 1;
        var job = new AttentionMapJob(Floats(map), Floats(q), Floats(k), Floats(bias), keysPerBias, queries, keys, q.Shape[2], heads);
        threads.Run(Partition.Pieces(queries, V.TileColumns), job);
    }

    /// <summary>A block is a panel of queries: the whole softmax of each head, added up over the heads.</summary>
    readonly struct AttentionMapJob(
        float* map, float* q, float* k, float* bias, int keysPerBias, int queries, int keys, int channels, int heads) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int width = channels / heads;
            int first = index * V.TileColumns;
            int count = Math.Min(V.TileColumns, queries - first);
            long scoreFloats = (long)keys * V.TileColumns;
            float* means = worker.Scratch(2 * scoreFloats + 2L * (width + 1) * V.TileColumns);
            float* scores = means + scoreFloats;
            var panel = new AttentionPanel(scores + scoreFloats, width);
            new Span<float>(means, checked((int)scoreFloats)).Clear();
            for (int head = 0; head < heads; head++)
            {
                panel.Begin(q + (long)first * channels + head * width, channels, count);
                for (int key = 0; bias != null && key < keys; key++)
                {
                    new Span<float>(scores + (long)key * V.TileColumns, V.TileColumns).Fill(bias[key / keysPerBias] * AttentionPanel.Log2E);
                }

                panel.Scores(k + head * width, channels, keys, scores, bias != null);
                panel.Softmax(scores, keys);
                panel.AddProbabilities(means, scores, keys, 1f / heads);
            }

            Transposition.Run(map + (long)first * keys, keys, means, V.TileColumns, keys, count);
        }
    }
}
