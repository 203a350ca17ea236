using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    /// <summary>
    /// Streaming softmax (Milakov and Gimelshein, 2018; Dao et al., 2022) with the queries across the lanes of a register: scores
    /// S^T = K Q^T of a panel of queries and a block of keys, softmax down the columns, then O^T += V^T P^T. A query whose keys are all
    /// dropped gives 0.
    /// </summary>
    /// <exception cref="ArgumentException">The bounds of the sets do not fit the tensors.</exception>
    public override void Attention(
        Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal, Tensor logSumExp)
    {
        int* queryBounds = (int*)sets.Queries.Address;
        int* keyBounds = (int*)sets.Keys.Address;
        int count = sets.Queries.Exists ? (int)sets.Queries.Count - 1 : q.Shape[0];
        if (sets.Queries.Exists)
        {
            CheckBounds("queries", queryBounds, count, q.Shape[0], cover: true);
            CheckBounds("keys", keyBounds, count, k.Shape[0], cover: false);
        }

        var job = new AttentionJob
        {
            Y = Floats(y),
            LogSumExp = Floats(logSumExp),
            Q = Floats(q),
            K = Floats(k),
            Values = Floats(v),
            Bias = Floats(bias),
            KeysPerBias = bias.Exists && bias.Count == k.Shape[0] ? k.Shape[1] : 1,
            QueryBounds = queryBounds,
            KeyBounds = keyBounds,
            Sets = count,
            QueryTokens = q.Shape[1],
            KeyTokens = k.Shape[1],
            Channels = q.Shape[2],
            Heads = heads,
            Causal = causal,
        };
        job.PanelsPerBlock = job.ChoosePanelsPerBlock(threads.Count);
        threads.Run(job.BlockCount(), job);
    }

    static void CheckBounds(string what, int* bounds, int sets, int images, bool cover)
    {
        bool right = cover ? bounds[0] == 0 && bounds[sets] == images : bounds[0] >= 0 && bounds[sets] <= images;
        for (int s = 0; s < sets; s++)
        {
            right &= bounds[s] <= bounds[s + 1];
        }

        if (!right)
        {
            throw new ArgumentException($"Attention: the bounds of the sets' {what} must rise from 0 to the {images} images");
        }
    }
}
