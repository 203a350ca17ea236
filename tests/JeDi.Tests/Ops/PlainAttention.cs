namespace JeDi.Tests.Operations;

static partial class Plain<T>
{
    /// <summary>One set: q [queries, channels], k and v [keys, channels], bias [keys] or none.</summary>
    public static T[] Attention(T[] q, T[] k, T[] v, int channels, int heads, T[]? bias = null, bool causal = false)
    {
        int width = channels / heads;
        var y = new T[q.Length];
        for (int row = 0; row < q.Length / channels * heads; row++)
        {
            int query = row / heads;
            int first = row % heads * width;
            T[] weights = Weights(q, k, channels, query, first, width, bias, causal);
            for (int c = first; c < first + width; c++)
            {
                T sum = T.Zero;
                for (int key = 0; key < weights.Length; key++)
                {
                    sum += weights[key] * v[key * channels + c];
                }

                y[query * channels + c] = sum;
            }
        }

        return y;
    }

    /// <summary>Mean of the softmax weights over the heads: [queries, keys].</summary>
    public static T[] AttentionMap(T[] q, T[] k, int channels, int heads, T[]? bias = null)
    {
        int width = channels / heads;
        int keys = k.Length / channels;
        var map = new T[q.Length / channels * keys];
        for (int row = 0; row < q.Length / channels * heads; row++)
        {
            int query = row / heads;
            T[] weights = Weights(q, k, channels, query, row % heads * width, width, bias, causal: false);
            for (int key = 0; key < keys; key++)
            {
                map[query * keys + key] += weights[key] / T.CreateChecked(heads);
            }
        }

        return map;
    }

    /// <summary>
    /// Softmax over the keys for one query and the head at channel <paramref name="first"/>; all 0 when every key is dropped.
    /// </summary>
    public static T[] Weights(T[] q, T[] k, int channels, int query, int first, int width, T[]? bias, bool causal)
    {
        var scores = new T[k.Length / channels];
        T largest = T.NegativeInfinity;
        T root = T.Sqrt(T.CreateChecked(width));
        for (int key = 0; key < scores.Length; key++)
        {
            T dot = T.Zero;
            for (int c = first; c < first + width; c++)
            {
                dot += q[query * channels + c] * k[key * channels + c];
            }

            scores[key] = causal && key > query ? T.NegativeInfinity : dot / root + (bias is null ? T.Zero : bias[key]);
            largest = T.Max(largest, scores[key]);
        }

        if (T.IsNegativeInfinity(largest))
        {
            return new T[scores.Length];
        }

        T total = T.Zero;
        for (int key = 0; key < scores.Length; key++)
        {
            scores[key] = T.Exp(scores[key] - largest);
            total += scores[key];
        }

        return [.. scores.Select(score => score / total)];
    }
}
