using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Operations;

public sealed class AttentionTests
{
    /// <summary>One, primes, one over a panel of queries, over a block of keys and over a tile; the widths of the networks.</summary>
    static readonly (int Images, int Queries, int Keys, int Width, int Heads)[] sizes =
    [
        (1, 1, 1, 1, 1), (2, 1, 5, 5, 3), (1, 33, 127, 8, 2), (2, 17, 9, 16, 1), (1, 65, 253, 24, 1), (2, 31, 126, 40, 2),
        (1, 9, 77, 64, 2), (1, 32, 14, 80, 2), (1, 7, 15, 160, 1), (1, 3, 130, 512, 1), (3, 257, 3, 13, 1),
    ];

    static IEnumerable<object[]> Sizes() => Targets.All.SelectMany(target => sizes.Select(size => new object[] { target, size }));

    [OnTargets(nameof(Sizes))]
    public void EqualsFloat64(string target, (int Images, int Queries, int Keys, int Width, int Heads) size)
    {
        using Device device = OpRun.Make(target);
        AttentionRun run = AttentionRun.Random(size.Images, size.Queries, size.Keys, size.Width, size.Heads);
        float[] y = run.On(device);
        for (int image = 0; image < size.Images; image++)
        {
            CheckSet(run.Alone(image..(image + 1), image..(image + 1)), AttentionRun.Images(y, size.Images, image..(image + 1)), null);
        }
    }

    /// <summary>One value a key image, or one a key; dropped keys among them, whole images and whole blocks of keys.</summary>
    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void BiasIsAddedToTheScores(string target)
    {
        using Device device = OpRun.Make(target);
        AttentionRun run = AttentionRun.Random(3, 34, 70, 8, 2) with { Sets = ([0, 3], [0, 3]) };
        float[] perImage = [0.7f, float.NegativeInfinity, -1.3f];
        CheckSet(run, (run with { Bias = perImage }).On(device), [.. Enumerable.Range(0, 210).Select(key => perImage[key / 70])]);

        float[] perKey = Plain.Random(210, 9);
        perKey.AsSpan(20, 150).Fill(float.NegativeInfinity);
        CheckSet(run, (run with { Bias = perKey }).On(device), perKey);
    }

    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void QueriesWithoutKeysGiveZero(string target)
    {
        using Device device = OpRun.Make(target);
        AttentionRun run = AttentionRun.Random(2, 5, 6, 4, 1) with { Bias = [float.NegativeInfinity, 0] };
        float[] y = run.On(device);
        Assert.That(y[..20], Is.All.Zero);
        Assert.That(y[20..], Is.All.Not.Zero);
        Assert.That((run with { Bias = null, Sets = ([0, 1, 2], [0, 0, 2]) }).On(device)[..20], Is.All.Zero, "a set without keys");
    }

    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void CausalQueriesSeeNoLaterKey(string target)
    {
        using Device device = OpRun.Make(target);
        foreach (int length in new[] { 1, 77, 131, 300 })
        {
            AttentionRun run = AttentionRun.Random(1, length, length, 16, 2) with { Causal = true };
            CheckSet(run, run.On(device), null);
        }
    }

    /// <summary>
    /// Sets of different sizes in one batch, some asking with fewer images or none, some keys asked by nobody: every query's bits are
    /// those that its set gives alone.
    /// </summary>
    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void SetsDoNotTouchEachOther(string target)
    {
        using Device device = OpRun.Make(target);
        int[] queries = [0, 1, 4, 4, 6];
        int[] keys = [0, 2, 3, 5, 6];
        AttentionRun run = AttentionRun.Random(6, 37, 45, 40, 2) with { Sets = (queries, keys), Bias = Plain.Random(6, 3) };
        float[] y = run.On(device);
        for (int set = 0; set < 4; set++)
        {
            if (queries[set] < queries[set + 1])
            {
                AttentionRun alone = run.Alone(queries[set]..queries[set + 1], keys[set]..keys[set + 1]);
                Close.SameBits(alone.On(device), AttentionRun.Images(y, 6, queries[set]..queries[set + 1]), $"set {set}");
            }
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void BitsDependNeitherOnThreadsNorOnOtherQueries(string target)
    {
        AttentionRun run = AttentionRun.Random(3, 300, 140, 24, 2);
        using Device one = OpRun.Make(target, threads: 1);
        float[] expected = run.On(one);
        foreach (int threads in new[] { 2, 3 })
        {
            using Device several = OpRun.Make(target, threads);
            Close.SameBits(run.On(several), expected, $"{threads} threads");
        }

        int row = run.Channels;
        AttentionRun single = run.Alone(1..2, 1..2);
        single = single with { Q = single.Q[(213 * row)..(214 * row)] };
        Close.SameBits(single.On(one), expected[(513 * row)..(514 * row)], "one query alone");
    }

    /// <summary>Scores far beyond the range of exp; the maximum rises from block to block.</summary>
    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void LargeScoresDoNotOverflow(string target)
    {
        using Device device = OpRun.Make(target);
        AttentionRun run = AttentionRun.Random(1, 40, 400, 8, 1);
        for (int i = 0; i < run.K.Length; i++)
        {
            run.K[i] *= i;
        }

        CheckSet(run, run.On(device), null);
    }

    /// <summary>A NaN stays with its query; one among the keys reaches every query of the set and no other set.</summary>
    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void NanStaysWhereItBelongs(string target)
    {
        using Device device = OpRun.Make(target);
        AttentionRun run = AttentionRun.Random(2, 40, 150, 8, 1);
        run.Q[5 * 8] = float.NaN;
        run.K[150 * 8 + 3] = float.NaN;
        float[] y = run.On(device);
        Assert.That(Enumerable.Range(0, 40).Where(query => float.IsNaN(y[query * 8])), Is.EqualTo([5]));
        Assert.That(y[320..], Is.All.NaN);
    }

    /// <summary>A result is a weighted mean of the values: equal values come back, and the order of the keys means nothing.</summary>
    [Test]
    public void ResultsAreWeightedMeans([Range(1, 12)] int seed)
    {
        using var device = new CpuDevice();
        var random = new Random(seed);
        AttentionRun run = AttentionRun.Random(1, random.Next(1, 70), random.Next(1, 400), random.Next(1, 50), random.Next(1, 4), seed);
        float[] y = run.On(device);
        int[] order = [.. Enumerable.Range(0, run.KeyTokens)];
        random.Shuffle(order);
        AttentionRun turned = run with { K = Rows(run.K, order, run.Channels), V = Rows(run.V, order, run.Channels) };
        Close.LikePlain(turned.On(device), [.. y.Select(value => (double)value)],
            Plain.Attention<float>(run.Q, run.K, run.V, run.Channels, run.Heads));

        float[] value = Plain.Random(run.Channels, seed);
        AttentionRun constant = run with { V = [.. Enumerable.Repeat(value, run.KeyTokens).SelectMany(row => row)] };
        double[] expected = [.. Enumerable.Repeat(value, run.QueryTokens).SelectMany(row => row).Select(v => (double)v)];
        Close.LikePlain(constant.On(device), expected, Plain.Attention<float>(constant.Q, constant.K, constant.V, run.Channels, run.Heads));
    }

    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void MapsAreMeanWeightsOfTheHeads(string target)
    {
        using Device device = OpRun.Make(target);
        AttentionRun run = AttentionRun.Random(2, 37, 45, 12, 3);
        foreach (float[]? bias in new[] { null, [0.5f, -0.25f], Plain.Random(90, 4) })
        {
            var arena = new Arena(device);
            var ops = new Ops(device, arena);
            Tensor map = ops.AttentionMap(
                ops.From<float>([2, 37, 36], run.Q),
                ops.From<float>([2, 45, 36], run.K),
                3,
                bias is null ? default : ops.From<float>([bias.Length], bias));
            Assert.That(map.Shape, Is.EqualTo(Shape.Create([74, 90])));
            float[]? perKey = bias is null ? null : [.. Enumerable.Range(0, 90).Select(key => bias[key * bias.Length / 90])];
            float[] actual = device.ToArray(map);
            Close.LikePlain(actual, Plain.AttentionMap<double>(run.Q, run.K, 36, 3, perKey),
                Plain.AttentionMap<float>(run.Q, run.K, 36, 3, perKey));

            // The sum of the exponentials is rounded for each of 90 keys, the mean for each of 3 heads, both quotients once.
            double rounding = (90 + 3 + 2) * Math.Pow(2, -24);
            Assert.That(actual.Chunk(90).Select(row => row.Sum(p => (double)p)), Is.All.EqualTo(1).Within(rounding));
            arena.Release();
        }
    }

    [Test]
    public void BoundsBeyondTheImagesAreRefused()
    {
        using var device = new CpuDevice();
        AttentionRun run = AttentionRun.Random(2, 3, 3, 4, 1);
        foreach ((int[], int[]) sets in new[] { (new[] { 0, 3 }, new[] { 0, 2 }), ([0, 1], [0, 2]), ([0, 2], [0, 3]),
            ([0, 2, 1, 2], [0, 1, 1, 2]) })
        {
            Assert.That(() => (run with { Sets = sets }).On(device), Throws.ArgumentException.With.Message.Contains("must rise"));
        }
    }

    /// <summary>The whole run as one set against the plain loops.</summary>
    static void CheckSet(AttentionRun run, float[] actual, float[]? bias) => Close.LikePlain(
        actual,
        Plain.Attention<double>(run.Q, run.K, run.V, run.Channels, run.Heads, bias, run.Causal),
        Plain.Attention<float>(run.Q, run.K, run.V, run.Channels, run.Heads, bias, run.Causal));

    static float[] Rows(float[] values, int[] order, int width) => [.. order.SelectMany(row => values[(row * width)..((row + 1) * width)])];
}
