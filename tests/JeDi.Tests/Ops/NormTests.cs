using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Operations;

public sealed class NormTests
{
    /// <summary>One, primes, groups of any width, and images of several chunks.</summary>
    static readonly (int Images, int Pixels, int Channels, int Groups)[] groupSizes =
        [(1, 1, 1, 1), (2, 7, 3, 1), (1, 5, 37, 37), (2, 31, 96, 32), (1, 1031, 66, 11), (2, 130, 1280, 32), (1, 2, 40000, 2)];

    static readonly (int Rows, int Width)[] rowSizes = [(1, 1), (3, 2), (7, 37), (5, 320), (131, 129), (2, 20011)];

    static IEnumerable<object[]> GroupSizes() => Targets.All.SelectMany(target => groupSizes.Select(size => new object[] { target, size }));

    static IEnumerable<object[]> RowSizes() => Targets.All.SelectMany(target => rowSizes.Select(size => new object[] { target, size }));

    /// <summary>Also where the mean is far from zero, which cancels digits of a variance taken from sums of squares.</summary>
    [OnTargets(nameof(GroupSizes))]
    public void GroupNormEqualsFloat64(string target, (int Images, int Pixels, int Channels, int Groups) size)
    {
        using Device device = OpRun.Make(target);
        float[] scale = [.. Plain.Random(size.Channels, 2).Select(value => 1 + value / 4)];
        float[] shift = Plain.Random(size.Channels, 3);
        foreach ((float offset, float eps, bool silu) in new[] { (0f, 1e-5f, true), (0f, 1e-6f, false), (1000f, 1e-5f, false) })
        {
            float[] x = [.. Plain.Random(size.Images * size.Pixels * size.Channels, 1).Select(value => offset + 3 * value)];
            Close.LikePlain(
                GroupNorm(device, x, scale, shift, size.Images, size.Groups, eps, silu),
                Plain.GroupNorm<double>(x, scale, shift, size.Images, size.Groups, eps, silu),
                Plain.GroupNorm<float>(x, scale, shift, size.Images, size.Groups, eps, silu),
                $"offset {offset}, SiLU {silu}");
        }
    }

    [OnTargets(nameof(RowSizes))]
    public void LayerNormEqualsFloat64(string target, (int Rows, int Width) size)
    {
        using Device device = OpRun.Make(target);
        float[] scale = [.. Plain.Random(size.Width, 2).Select(value => 1 + value / 4)];
        float[] shift = Plain.Random(size.Width, 3);
        foreach (float offset in new[] { 0f, 1000f })
        {
            float[] x = [.. Plain.Random(size.Rows * size.Width, 1).Select(value => offset + 3 * value)];
            Close.LikePlain(
                LayerNorm(device, x, scale, shift),
                Plain.LayerNorm<double>(x, scale, shift, 1e-5f),
                Plain.LayerNorm<float>(x, scale, shift, 1e-5f),
                $"offset {offset}");
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void BitsDependNeitherOnThreadsNorOnBatch(string target)
    {
        const int Images = 3;
        const int Channels = 96;
        float[] scale = Plain.Random(Channels, 2);
        float[] x = Plain.Random(Images * 1500 * Channels, 1);
        using Device one = OpRun.Make(target, threads: 1);
        float[] group = GroupNorm(one, x, scale, scale, Images, 32, 1e-5f, silu: true);
        float[] layer = LayerNorm(one, x, scale, scale);
        float[] alone = AttentionRun.Images(x, Images, 1..2);
        float[] byItself = GroupNorm(one, alone, scale, scale, 1, 32, 1e-5f, silu: true);
        Close.SameBits(byItself, AttentionRun.Images(group, Images, 1..2), "one image alone");
        Close.SameBits(LayerNorm(one, alone, scale, scale), AttentionRun.Images(layer, Images, 1..2), "rows alone");
        foreach (int threads in new[] { 2, 3 })
        {
            using Device several = OpRun.Make(target, threads);
            Close.SameBits(GroupNorm(several, x, scale, scale, Images, 32, 1e-5f, silu: true), group, $"{threads} threads");
            Close.SameBits(LayerNorm(several, x, scale, scale), layer, $"{threads} threads");
        }
    }

    /// <summary>A NaN or an infinity spoils its group and nothing else; a constant group becomes the shift.</summary>
    [OnTargets(typeof(Targets), nameof(Targets.AllF32))]
    public void BadNumbersStayInTheirGroup(string target)
    {
        using Device device = OpRun.Make(target);
        const int Channels = 48;
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity })
        {
            float[] x = Plain.Random(2 * 9 * Channels, 1);
            x[9 * Channels + 13] = bad;
            float[] y = GroupNorm(device, x, [.. Enumerable.Repeat(1f, Channels)], new float[Channels], 2, 4, 1e-5f, silu: false);
            IEnumerable<int> spoilt = Enumerable.Range(0, y.Length).Where(i => !float.IsFinite(y[i]));
            IEnumerable<int> group = Enumerable.Range(0, y.Length).Where(i => i >= 9 * Channels && i % Channels / 12 == 1);
            Assert.That(spoilt, Is.EqualTo(group));
        }

        float[] shift = Plain.Random(Channels, 3);
        float[] constant = [.. Enumerable.Repeat(7.25f, 5 * Channels)];
        float[] result = GroupNorm(device, constant, shift, shift, 1, 4, 1e-5f, silu: false);
        Assert.That(result, Is.EqualTo(Enumerable.Repeat(shift, 5).SelectMany(row => row)));
        Assert.That(LayerNorm(device, constant, shift, shift), Is.EqualTo(Enumerable.Repeat(shift, 5).SelectMany(row => row)));
    }

    /// <summary>Neither an offset nor a factor of the input changes the result by more than their rounding.</summary>
    [Test]
    public void ResultsIgnoreOffsetAndFactor([Range(1, 8)] int seed)
    {
        using var device = new CpuDevice();
        var random = new Random(seed);
        int groups = random.Next(1, 6);
        int channels = groups * random.Next(1, 20);
        float[] ones = [.. Enumerable.Repeat(1f, channels)];
        float[] x = Plain.Random(2 * random.Next(3, 200) * channels, seed);
        float[] moved = [.. x.Select(value => 4 * value + 8)];
        double[] expected = Plain.GroupNorm<double>(moved, ones, new float[channels], 2, groups, 0, silu: false);
        Close.LikePlain(
            GroupNorm(device, moved, ones, new float[channels], 2, groups, 0, silu: false),
            expected,
            Plain.GroupNorm<float>(moved, ones, new float[channels], 2, groups, 0, silu: false));

        // 4 x + 8 is off by half a unit in the last place of up to 12: 2^-21, over a spread of 4 x 0.58.
        Close.Within(GroupNorm(device, x, ones, new float[channels], 2, groups, 0, silu: false), expected, 8 * Math.Pow(2, -21));
    }

    static float[] GroupNorm(Device device, float[] x, float[] scale, float[] shift, int images, int groups, float eps, bool silu) =>
        OpRun.Run(device, ops => ops.GroupNorm(
            ops.From<float>([images, x.Length / images / scale.Length, scale.Length], x),
            device.LoadFloats(ParameterKind.Vector, [scale.Length], scale),
            device.LoadFloats(ParameterKind.Vector, [shift.Length], shift),
            groups,
            eps,
            silu));

    static float[] LayerNorm(Device device, float[] x, float[] scale, float[] shift) => OpRun.Run(device, ops => ops.LayerNorm(
        ops.From<float>([x.Length / scale.Length, scale.Length], x),
        device.LoadFloats(ParameterKind.Vector, [scale.Length], scale),
        device.LoadFloats(ParameterKind.Vector, [shift.Length], shift),
        1e-5f));
}
