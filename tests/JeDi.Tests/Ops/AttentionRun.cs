using JeDi.Tensors;

namespace JeDi.Tests.Operations;

/// <summary>Queries, keys and values on the host, and the operation on them.</summary>
sealed record AttentionRun(float[] Q, float[] K, float[] V, int QueryImages, int KeyImages, int Channels, int Heads)
{
    public int QueryTokens => Q.Length / QueryImages / Channels;

    public int KeyTokens => K.Length / KeyImages / Channels;

    /// <summary>Null: every image attends to itself.</summary>
    public (int[] Queries, int[] Keys)? Sets { get; init; }

    /// <summary>One value a key image or a key.</summary>
    public float[]? Bias { get; init; }

    public bool Causal { get; init; }

    /// <summary>Scores spread over a few units, as those of trained networks.</summary>
    public static AttentionRun Random(int images, int queries, int keys, int width, int heads, int seed = 1)
    {
        int channels = width * heads;
        float[] q = [.. Plain.Random(images * queries * channels, seed).Select(value => 5 * value)];
        return new AttentionRun(
            q,
            Plain.Random(images * keys * channels, seed + 1),
            Plain.Random(images * keys * channels, seed + 2),
            images,
            images,
            channels,
            heads);
    }

    public float[] On(Device device)
    {
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        AttentionSets sets = Sets is { } bounds
            ? new(ops.From<int>([bounds.Queries.Length], bounds.Queries), ops.From<int>([bounds.Keys.Length], bounds.Keys))
            : default;
        Tensor y = ops.Attention(
            ops.From<float>([QueryImages, QueryTokens, Channels], Q),
            ops.From<float>([KeyImages, KeyTokens, Channels], K),
            ops.From<float>([KeyImages, KeyTokens, Channels], V),
            Heads,
            sets,
            Bias is null ? default : ops.From<float>([Bias.Length], Bias),
            Causal);
        float[] result = device.ToArray(y);
        arena.Release();
        return result;
    }

    /// <summary>These images alone, each range one set.</summary>
    public AttentionRun Alone(Range queryImages, Range keyImages)
    {
        float[] q = Images(Q, QueryImages, queryImages);
        float[] k = Images(K, KeyImages, keyImages);
        int queries = q.Length / (QueryTokens * Channels);
        int keys = k.Length / (KeyTokens * Channels);
        return this with
        {
            Q = q,
            K = k,
            V = Images(V, KeyImages, keyImages),
            QueryImages = queries,
            KeyImages = keys,
            Sets = ([0, queries], [0, keys]),
            Bias = Bias is null ? null : Images(Bias, KeyImages, keyImages),
        };
    }

    public static float[] Images(float[] values, int images, Range range)
    {
        (int first, int count) = range.GetOffsetAndLength(images);
        int size = values.Length / images;
        return values[(first * size)..((first + count) * size)];
    }
}
