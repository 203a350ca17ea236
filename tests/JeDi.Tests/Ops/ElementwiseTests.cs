using System.Numerics;
using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Operations;

public sealed class ElementwiseTests
{
    // One, primes, and several blocks with a rest.
    static readonly int[] counts = [1, 17, 40009];

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void AddRepeatsTheSmaller(string target)
    {
        using Device device = OpRun.Make(target);
        foreach ((int count, int repeat) in new[] { (1, 1), (37, 1), (5, 13), (3, 16384), (40009, 3), (2, 40009) })
        {
            float[] a = Plain.Random(count * repeat, 1);
            float[] b = Plain.Random(count, 2);
            float[] expected = [.. a.Select((value, i) => value + b[i % count])];
            float[] sum = OpRun.Run(device, ops => ops.Add(ops.From<float>([a.Length], a), ops.From<float>([count], b)));
            Assert.That(sum, Is.EqualTo(expected));
            Assert.That(
                OpRun.Run(device, ops =>
                {
                    Tensor y = ops.From<float>([a.Length], a);
                    return ops.Add(y, ops.From<float>([count], b), into: y);
                }),
                Is.EqualTo(expected),
                "in place");
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void ConcatPutsRowsSideBySide(string target)
    {
        using Device device = OpRun.Make(target);
        (int, int, int, int)[] sizes = [(1, 1, 1, 1), (7, 5, 7, 3), (1, 4, 9, 2), (9, 2, 1, 4), (800, 31, 800, 17)];
        foreach ((int rowsA, int a, int rowsB, int b) in sizes)
        {
            float[] left = Plain.Random(rowsA * a, 1);
            float[] right = Plain.Random(rowsB * b, 2);
            float[] expected = [.. Enumerable.Range(0, Math.Max(rowsA, rowsB)).SelectMany(row => left.Chunk(a).ElementAt(row % rowsA)
                .Concat(right.Chunk(b).ElementAt(row % rowsB)))];
            float[] both = OpRun.Run(device, ops => ops.Concat(ops.From<float>([rowsA, a], left), ops.From<float>([rowsB, b], right)));
            Assert.That(both, Is.EqualTo(expected));
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void EmbedTakesWholeEntries(string target)
    {
        using Device device = OpRun.Make(target);
        foreach (int width in counts)
        {
            float[] table = Plain.Random(3 * width, 1);
            float[] y = OpRun.Run(device, ops => ops.Embed(ops.From<float>([3, width], table), ops.From<int>([4], [2, 0, 2, 1])));
            Assert.That(y, Is.EqualTo(new[] { 2, 0, 2, 1 }.SelectMany(id => table[(id * width)..((id + 1) * width)])));
        }

        var arena = new Arena(device);
        var tables = new Ops(device, arena);
        Tensor picked = tables.Embed(tables.From<int>([3, 2], [1, 2, 3, 4, 5, 6]), tables.From<int>([2], [2, 1]));
        int[] ids = new int[4];
        device.Read<int>(ids, picked);
        Assert.That(ids, Is.EqualTo([5, 6, 3, 4]), "entries of integers");
        arena.Release();
    }

    [Test]
    public void EmbedRefusesIdsOutsideOfTheTable([Values(-1, 3, int.MaxValue)] int id)
    {
        using var device = new CpuDevice();
        Assert.That(
            () => OpRun.Run(device, ops => ops.Embed(ops.From<float>([3, 2], new float[6]), ops.From<int>([2], [0, id]))),
            Throws.ArgumentException.With.Message.EqualTo($"Embed: id {id} at 1 is outside of the table [3, 2]; ids are 0 to 2"));
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void MomentsAreMeansAndLogVariancesWithinTheirBounds(string target)
    {
        using Device device = OpRun.Make(target);
        foreach ((int pixels, int channels) in new[] { (1, 1), (17, 3), (64, 4), (4099, 7) })
        {
            float[] moments = [.. Plain.Random(pixels * 2 * channels, 1).Select(value => 60 * value)];
            moments[^1] = float.PositiveInfinity;
            float[] mean = [.. moments.Where((_, i) => i % (2 * channels) < channels)];
            float[] held = [.. moments.Where((_, i) => i % (2 * channels) >= channels).Select(v => Math.Min(20, Math.Max(-30, v)))];
            Assert.That(OpRun.Run(device, ops => Split(ops).Mean), Is.EqualTo(mean));
            Assert.That(OpRun.Run(device, ops => Split(ops).LogVariance), Is.EqualTo(held));

            (Tensor Mean, Tensor LogVariance) Split(Ops ops) => ops.SplitMoments(ops.From<float>([pixels, 2 * channels], moments));
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void TimestepsBecomeSinusoids(string target)
    {
        using Device device = OpRun.Make(target);
        float[] t = [0, 1, 261.5f, 999];
        float[] y = OpRun.Run(device, ops => ops.TimestepEmbedding(ops.From<float>([4], t), 34));
        double[] expected = [.. t.SelectMany(step => Enumerable.Range(0, 34).Select(i =>
        {
            double angle = step * Math.Exp(-Math.Log(10000) * (i % 17) / 17);
            return i < 17 ? Math.Cos(angle) : Math.Sin(angle);
        }))];

        // Half a unit in the last place of 1, and the angle's own rounding in double.
        Close.Within(y, expected, Math.Pow(2, -24) + 1e-12);
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void CombineSumsTermsWhoseCoefficientIsNotZero(string target)
    {
        using Device device = OpRun.Make(target);
        foreach (int count in counts)
        {
            float[] a = Plain.Random(count, 1);
            float[] b = Plain.Random(count, 2);
            float[] c = Plain.Random(count, 3);
            float[] bad = [.. Enumerable.Repeat(float.NaN, count)];
            double[] exact = [.. Enumerable.Range(0, count).Select(i => 0.3f * (double)a[i] - 1.7f * (double)b[i] + 2.9f * (double)c[i])];
            float[] plain = [.. Enumerable.Range(0, count).Select(i => 0.3f * a[i] - 1.7f * b[i] + 2.9f * c[i])];
            Close.LikePlain(Combine(device, [0.3f, 0, -1.7f, 2.9f, 0], [a, bad, b, c, bad], place: -1), exact, plain);
            Close.LikePlain(Combine(device, [0.3f, 0, -1.7f, 2.9f], [a, bad, b, c], place: 0), exact, plain, "into the first term");
            Close.LikePlain(Combine(device, [0.3f, -1.7f, 0, 2.9f], [a, b, bad, c], place: 2), exact, plain, "into an unread term");
            Assert.That(Combine(device, [0, 0], [bad, bad], place: -1), Is.All.Zero);
            Assert.That(Combine(device, [1], [a], place: -1), Is.EqualTo(a));
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void PackInputOrdersTheChannels(string target)
    {
        using Device device = OpRun.Make(target);
        const int Pixels = 35;
        float[] noisy = Plain.Random(3 * Pixels * 4, 1);
        float[] clean = Plain.Random(3 * Pixels * 4, 2);
        clean.AsSpan(0, Pixels * 4).Fill(float.NaN);
        float[] mask = [1, 0, 0.25f];
        foreach (InputLayout layout in Enum.GetValues<InputLayout>())
        {
            float[] expected = [.. Enumerable.Range(0, 3 * Pixels).SelectMany(pixel =>
            {
                float m = mask[pixel / Pixels];
                IEnumerable<float> first = noisy[(4 * pixel)..(4 * pixel + 4)].Select(value => value * 0.7f);
                IEnumerable<float> last = clean[(4 * pixel)..(4 * pixel + 4)].Select(value => m == 1 ? 0 : value * (1 - m));
                return layout switch
                {
                    InputLayout.MaskNoisyClean => [m, .. first, .. last],
                    InputLayout.NoisyMaskClean => [.. first, m, .. last],
                    _ => first,
                };
            })];
            float[] y = OpRun.Run(device, ops => ops.PackInput(
                ops.From<float>([3, 5, 7, 4], noisy),
                ops.From<float>([3, 5, 7, 4], clean),
                ops.From<float>([3], mask),
                ops.From<float>([1], [0.7f]),
                layout));
            Assert.That(y, Is.EqualTo(expected), layout.ToString());
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void RescaleMatchesTheDeviation(string target)
    {
        using Device device = OpRun.Make(target);
        float[] guided = [.. Plain.Random(2 * 60, 1).Select(value => 3 * value + 1)];
        float[] conditional = Plain.Random(2 * 60, 2);
        foreach (float amount in new[] { 0f, 0.7f, 1f })
        {
            double[] exact = Rescaled<double>(guided, conditional, amount);
            float[] y = OpRun.Run(device, ops => ops.Rescale(
                ops.From<float>([2, 3, 5, 4], guided), ops.From<float>([2, 3, 5, 4], conditional), ops.From<float>([1], [amount])));
            Close.LikePlain(y, exact, Rescaled<float>(guided, conditional, amount));
        }

        static T[] Rescaled<T>(float[] guided, float[] conditional, float amount)
            where T : IFloatingPointIeee754<T> => [.. guided.Select((value, i) =>
            {
                int first = i / 60 * 60;
                T ratio = Deviation<T>(conditional[first..(first + 60)]) / Deviation<T>(guided[first..(first + 60)]);
                return T.CreateChecked(value) * (T.CreateChecked(amount) * ratio + T.One - T.CreateChecked(amount));
            })];

        static T Deviation<T>(float[] x)
            where T : IFloatingPointIeee754<T>
        {
            T mean = x.Aggregate(T.Zero, (sum, value) => sum + T.CreateChecked(value)) / T.CreateChecked(x.Length);
            T squares = x.Aggregate(T.Zero, (sum, value) => sum + (T.CreateChecked(value) - mean) * (T.CreateChecked(value) - mean));
            return T.Sqrt(squares / T.CreateChecked(x.Length - 1));
        }
    }

    /// <summary>A prediction without deviation cannot be given another one: it stays, whatever the amount.</summary>
    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void RescaleLeavesAConstantAsItIs(string target)
    {
        using Device device = OpRun.Make(target);
        float[] guided = [.. Enumerable.Repeat(0f, 60), .. Enumerable.Repeat(-2.5f, 60)];
        foreach (float amount in new[] { 0f, 0.7f, 1f })
        {
            float[] y = OpRun.Run(device, ops => ops.Rescale(
                ops.From<float>([2, 3, 5, 4], guided),
                ops.From<float>([2, 3, 5, 4], Plain.Random(2 * 60, 2)),
                ops.From<float>([1], [amount])));
            Assert.That(y, Is.EqualTo(guided), $"amount {amount}");
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void BlendFollowsTheMask(string target)
    {
        using Device device = OpRun.Make(target);
        float[] mask = [.. Plain.Random(2 * 5 * 1000, 1).Select(value => MathF.Max(0, value))];
        float[] a = Plain.Random(mask.Length * 3, 2);
        float[] b = Plain.Random(mask.Length * 3, 3);
        float[] plain = [.. a.Select((value, i) => mask[i / 3] * value + (1 - mask[i / 3]) * b[i])];
        double[] exact = [.. a.Select((value, i) => mask[i / 3] * (double)value + (1.0 - mask[i / 3]) * b[i])];
        float[] y = OpRun.Run(device, ops =>
        {
            Tensor first = ops.From<float>([2, 5, 1000, 3], a);
            return ops.Blend(ops.From<float>([2, 5, 1000, 1], mask), first, ops.From<float>([2, 5, 1000, 3], b), into: first);
        });
        Close.LikePlain(y, exact, plain);
    }

    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void CopyCopies(string target)
    {
        using Device device = OpRun.Make(target);
        foreach (int count in counts)
        {
            float[] x = Plain.Random(count, 1);
            Close.SameBits(
                OpRun.Run(device, ops =>
                {
                    Tensor y = ops.New([count]);
                    ops.Copy(y, ops.From<float>([count], x));
                    return y;
                }),
                x);
        }
    }

    /// <summary>limit tanh(x / limit), also in place.</summary>
    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void CopyHoldsNumbersWithinALimit(string target)
    {
        using Device device = OpRun.Make(target);
        foreach (int count in counts)
        {
            float[] x = [.. Plain.Random(count, 1).Select((value, i) => i % 5 == 0 ? value * 10 : i % 5 == 1 ? value * 1e-4f : value)];
            float[] exact = [.. x.Select(value => (float)(3 * Math.Tanh(value / 3.0)))];
            foreach (bool inPlace in new[] { false, true })
            {
                float[] actual = OpRun.Run(device, ops =>
                {
                    Tensor from = ops.From<float>([count], x);
                    Tensor y = inPlace ? from : ops.New([count]);
                    ops.Copy(y, from, 3);
                    return y;
                });
                Close.LikePlain(
                    actual, [.. x.Select(value => 3 * Math.Tanh(value / 3.0))], [.. x.Select(value => 3 * MathF.Tanh(value / 3))]);
                Assert.That(actual.Zip(exact).All(pair => Math.Abs(pair.First - pair.Second) <= Math.Abs(pair.Second) * 1e-6f + 1e-30f));
            }
        }
    }

    /// <param name="place">Index of the term that the result overwrites; -1 for a tensor of its own.</param>
    static float[] Combine(Device device, float[] coefficients, float[][] terms, int place) => OpRun.Run(device, ops =>
    {
        Tensor[] x = [.. terms.Select(term => ops.From<float>([term.Length], term))];
        Tensor y = place < 0 ? ops.New(x[0].Shape) : x[place];
        ops.Combine(y, ops.From<float>([coefficients.Length], coefficients), x);
        return y;
    });
}
