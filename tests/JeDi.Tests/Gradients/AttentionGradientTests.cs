using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

public sealed class AttentionGradientTests
{
    const double Factor = 3;

    internal sealed record Result(float[] Y, float[] LogSumExp, float[] Dq, float[] Dk, float[] Dv, float[] Dbias);

    /// <summary>Images, queries, keys, width, heads: one, primes, one over each tile and block.</summary>
    static readonly (int Images, int Queries, int Keys, int Width, int Heads)[] sizes =
    [
        (1, 1, 1, 1, 1), (2, 7, 5, 3, 2), (1, 33, 17, 16, 1), (2, 127, 129, 40, 2), (1, 16, 77, 24, 4), (1, 40, 33, 160, 1),
        (1, 13, 1030, 8, 2),
    ];

    static IEnumerable<object[]> Sizes() =>
        OpRun.Levels.SelectMany(level => Enumerable.Range(0, sizes.Length).Select(index => new object[] { level, index }));

    [TestCaseSource(nameof(Sizes))]
    public void EqualsFloat64(SimdLevel level, int index)
    {
        (int images, int queries, int keys, int width, int heads) = sizes[index];
        using CpuDevice device = OpRun.Cpu(level);
        AttentionRun run = AttentionRun.Random(images, queries, keys, width, heads);
        Check(device, run, [.. Enumerable.Range(0, images).Select(i => (i..(i + 1), i..(i + 1)))]);
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void CausalEqualsFloat64(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach (int tokens in new[] { 1, 31, 77, 130 })
        {
            AttentionRun run = AttentionRun.Random(2, tokens, tokens, 12, 2) with { Causal = true };
            Check(device, run, [(0..1, 0..1), (1..2, 1..2)]);
        }
    }

    /// <summary>Sets of 1, 3, none and 2 images in one batch equal the sets alone.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void SetsOfDifferentSizesEqualFloat64(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        AttentionRun run = AttentionRun.Random(6, 20, 20, 24, 2) with { Sets = ([0, 1, 4, 4, 6], [0, 1, 4, 4, 6]) };
        Check(device, run, [(0..1, 0..1), (1..4, 1..4), (4..6, 4..6)]);
        float[] bias = Plain.Random(6, 9);
        Check(device, run with { Bias = bias }, [(0..1, 0..1), (1..4, 1..4), (4..6, 4..6)]);
        float[] perKey = Plain.Random(120, 9);
        perKey[7] = float.NegativeInfinity;
        perKey.AsSpan(100).Fill(float.NegativeInfinity);
        Check(device, run with { Bias = perKey }, [(0..1, 0..1), (1..4, 1..4), (4..6, 4..6)]);
    }

    /// <summary>Many images share one text's keys.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void SharedKeysEqualFloat64(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        AttentionRun queries = AttentionRun.Random(5, 21, 11, 16, 2);
        AttentionRun texts = AttentionRun.Random(2, 1, 11, 16, 2, seed: 5);
        AttentionRun run = queries with { K = texts.K, V = texts.V, KeyImages = 2, Sets = ([0, 3, 5], [0, 1, 2]) };
        Check(device, run, [(0..3, 0..1), (3..5, 1..2)]);
    }

    /// <summary>A query whose keys are all dropped changes nothing and gets 0; keys that no set sees get 0.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void DroppedAndUnseenGetZero(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        AttentionRun run = AttentionRun.Random(3, 9, 9, 8, 1) with
        {
            Sets = ([0, 1, 3], [0, 1, 2]),
            Bias = [float.NegativeInfinity, 0.5f, 0],
        };
        Result result = Run(device, run, Plain.Random(run.Q.Length, 7));
        int image = 9 * 8;
        Assert.That(result.Dq[..image], Is.All.Zero, "queries without keys");
        Assert.That(result.LogSumExp[..9], Is.All.EqualTo(float.NegativeInfinity));
        Assert.That(result.Dk[..image].Concat(result.Dv[..image]), Is.All.Zero, "dropped keys");
        Assert.That(result.Dk[(2 * image)..].Concat(result.Dv[(2 * image)..]), Is.All.Zero, "unseen keys");
        Assert.That(result.Dk[image..(2 * image)], Has.Some.Not.Zero);
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void AddsToWhatIsThere(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach (int keys in new[] { 40, 1030 })
        {
            AttentionRun run = AttentionRun.Random(1, 17, keys, 20, 2);
            float[] dy = Plain.Random(run.Q.Length, 7);
            Result alone = Run(device, run, dy);
            Result added = Run(device, run, dy, start: 1);
            Same(added.Dq, alone.Dq, "dq");
            Same(added.Dk, alone.Dk, "dk");
            Same(added.Dv, alone.Dv, "dv");
        }

        // Three roundings at the scale of the sum.
        static void Same(float[] added, float[] alone, string what) =>
            Close.Within(added, [.. alone.Select(value => (double)value + 1)], 4e-7, what);
    }

    /// <summary>The forward result has equal bits whether it saves its log-sum-exp or not; threads change no bit backward.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void BitsDependNeitherOnThreadsNorOnTheBatch(SimdLevel level)
    {
        AttentionRun run = AttentionRun.Random(5, 70, 70, 16, 2) with { Sets = ([0, 2, 5], [0, 2, 5]) };
        float[] dy = Plain.Random(run.Q.Length, 7);
        using CpuDevice one = OpRun.Cpu(level, threads: 1);
        Result expected = Run(one, run, dy);
        Close.SameBits(expected.Y, run.On(one), "forward");
        using CpuDevice three = OpRun.Cpu(level, threads: 3);
        Result actual = Run(three, run, dy);
        Close.SameBits(actual.Dq, expected.Dq, "dq");
        Close.SameBits(actual.Dk, expected.Dk, "dk");
        Close.SameBits(actual.Dv, expected.Dv, "dv");
        Result alone = Run(three, run.Alone(2..5, 2..5), AttentionRun.Images(dy, 5, 2..5));
        Close.SameBits(alone.Dq, AttentionRun.Images(expected.Dq, 5, 2..5), "dq of a set alone");
        Close.SameBits(alone.Dk, AttentionRun.Images(expected.Dk, 5, 2..5), "dk of a set alone");
    }

    static void Check(Device device, AttentionRun run, (Range Queries, Range Keys)[] sets)
    {
        float[] dy = Plain.Random(run.Q.Length, 7);
        Result actual = Run(device, run, dy);
        int biasTokens = run.Bias is null ? 0 : run.KeyImages * run.KeyTokens / run.Bias.Length;
        foreach ((Range queries, Range keys) in sets)
        {
            AttentionRun set = run.Alone(queries, keys);
            float[] some = AttentionRun.Images(dy, run.QueryImages, queries);
            float[]? bias = set.Bias is null ? null : [.. set.Bias.SelectMany(value => Enumerable.Repeat(value, biasTokens))];
            var exact = PlainGradients.Attention<double>(set.Q, set.K, set.V, some, set.Channels, set.Heads, bias, run.Causal);
            var plain = PlainGradients.Attention<float>(set.Q, set.K, set.V, some, set.Channels, set.Heads, bias, run.Causal);
            (double dq, double dk, double dbias) = PlainGradients.AttentionScale(set, some, bias);
            Close.LikePlain(AttentionRun.Images(actual.Dq, run.QueryImages, queries), exact.Dq, plain.Dq, "dq", Factor, dq);
            Close.LikePlain(AttentionRun.Images(actual.Dk, run.KeyImages, keys), exact.Dk, plain.Dk, "dk", Factor, dk);
            Close.LikePlain(AttentionRun.Images(actual.Dv, run.KeyImages, keys), exact.Dv, plain.Dv, "dv", Factor);
            if (run.Bias is not null)
            {
                Close.LikePlain(
                    AttentionRun.Images(actual.Dbias, run.KeyImages, keys),
                    [.. exact.Dbias.Chunk(biasTokens).Select(values => values.Sum())],
                    [.. plain.Dbias.Chunk(biasTokens).Select(values => values.Sum())],
                    "dbias",
                    Factor,
                    dbias * biasTokens);
            }
        }
    }

    internal static Result Run(Device device, AttentionRun run, float[] dy, float start = 0)
    {
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        AttentionSets sets = run.Sets is { } bounds
            ? new(ops.From<int>([bounds.Queries.Length], bounds.Queries), ops.From<int>([bounds.Keys.Length], bounds.Keys))
            : default;
        Shape queries = [run.QueryImages, run.QueryTokens, run.Channels];
        Shape keys = [run.KeyImages, run.KeyTokens, run.Channels];
        Tensor q = ops.From<float>(queries, run.Q);
        Tensor k = ops.From<float>(keys, run.K);
        Tensor v = ops.From<float>(keys, run.V);
        Tensor bias = run.Bias is null ? default : ops.From<float>([run.Bias.Length], run.Bias);
        Tensor y = ops.New(queries);
        Tensor level = ops.New([run.QueryImages, run.Heads, run.QueryTokens]);
        device.Kernels.Attention(y, q, k, v, run.Heads, sets, bias, run.Causal, level);
        Tensor dq = GradientRun.Filled(ops, queries, start == 0 ? float.NaN : start);
        Tensor dk = GradientRun.Filled(ops, keys, start == 0 ? float.NaN : start);
        Tensor dv = GradientRun.Filled(ops, keys, start == 0 ? float.NaN : start);
        Tensor dbias = run.Bias is null ? default : GradientRun.Filled(ops, [run.Bias.Length], 0);
        device.Gradients.Attention(
            dq, dk, dv, dbias, ops.From<float>(queries, dy), q, k, v, y, level, run.Heads, sets, bias, run.Causal, start != 0);
        var result = new Result(
            device.ToArray(y), device.ToArray(level), device.ToArray(dq), device.ToArray(dk), device.ToArray(dv),
            dbias.Exists ? device.ToArray(dbias) : []);
        arena.Release();
        return result;
    }
}
