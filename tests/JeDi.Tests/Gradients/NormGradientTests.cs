using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

public sealed class NormGradientTests
{
    const double Factor = 3;

    internal sealed record Result(float[] Y, float[] Dx, float[] Dscale, float[] Dshift);

    /// <summary>Images, pixels, channels, groups.</summary>
    static readonly (int Images, int Pixels, int Channels, int Groups)[] sizes =
        [(1, 1, 1, 1), (2, 7, 6, 3), (3, 64, 32, 32), (1, 1025, 40, 4), (2, 300, 17, 1), (1, 5, 320, 32)];

    static IEnumerable<object[]> GroupSizes() => OpRun.Levels.SelectMany(level =>
        Enumerable.Range(0, sizes.Length).SelectMany(index => new[] { false, true }.Select(silu => new object[] { level, index, silu })));

    static IEnumerable<object[]> Widths() =>
        OpRun.Levels.SelectMany(level => new[] { 1, 5, 32, 97, 320 }.Select(width => new object[] { level, width }));

    [TestCaseSource(nameof(GroupSizes))]
    public void GroupNormEqualsFloat64(SimdLevel level, int index, bool silu)
    {
        (int images, int pixels, int channels, int groups) = sizes[index];
        using CpuDevice device = OpRun.Cpu(level);
        (float[] x, float[] scale, float[] shift, float[] dy) = Inputs(images * pixels, channels);
        Result actual = Group(device, x, scale, shift, dy, images, groups, silu);
        Compare(actual, x, scale, shift, dy, images, groups, silu);
        if (silu)
        {
            Close.SameBits(actual.Y, OpRun.Run(device, ops => ops.GroupNorm(
                ops.From<float>([images, pixels, channels], x), Vector(device, scale), Vector(device, shift), groups, 1e-5f, silu)), "y");
        }
    }

    [TestCaseSource(nameof(Widths))]
    public void LayerNormEqualsFloat64(SimdLevel level, int width)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach ((int images, int rows) in new[] { (1, 1), (2, 7), (1, 131) })
        {
            (float[] x, float[] scale, float[] shift, float[] dy) = Inputs(images * rows, width);
            Result actual = Layer(device, x, scale, shift, dy, images);
            Compare(actual, x, scale, shift, dy, images * rows, 1, false);
            Close.SameBits(actual.Y, OpRun.Run(device, ops => ops.LayerNorm(
                ops.From<float>([images * rows, width], x), Vector(device, scale), Vector(device, shift), 1e-5f)), "y");
        }
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void AddsToWhatIsThere(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        (float[] x, float[] scale, float[] shift, float[] dy) = Inputs(2 * 30, 24);
        Same(Group(device, x, scale, shift, dy, 2, 4, true, start: 1), Group(device, x, scale, shift, dy, 2, 4, true));
        Same(Layer(device, x, scale, shift, dy, 2, start: 1), Layer(device, x, scale, shift, dy, 2));

        // Two roundings at the scale of the sum.
        static void Same(Result added, Result alone)
        {
            Close.Within(added.Dx, [.. alone.Dx.Select(value => (double)value + 1)], 3e-7, "dx");
            Close.Within(added.Dscale, [.. alone.Dscale.Select(value => (double)value + 1)], 3e-7, "dscale");
            Close.Within(added.Dshift, [.. alone.Dshift.Select(value => (double)value + 1)], 3e-7, "dshift");
        }
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void BitsDependNeitherOnThreadsNorOnHowImagesAreGrouped(SimdLevel level)
    {
        (float[] x, float[] scale, float[] shift, float[] dy) = Inputs(4 * 700, 48);
        using CpuDevice one = OpRun.Cpu(level, threads: 1);
        Result group = Group(one, x, scale, shift, dy, 4, 8, true);
        Result layer = Layer(one, x, scale, shift, dy, 4);
        using CpuDevice three = OpRun.Cpu(level, threads: 3);
        foreach (int calls in new[] { 1, 4 })
        {
            Same(Group(three, x, scale, shift, dy, 4, 8, true, calls: calls), group, $"group norm, {calls} calls");
            Same(Layer(three, x, scale, shift, dy, 4, calls: calls), layer, $"layer norm, {calls} calls");
        }

        static void Same(Result actual, Result expected, string what)
        {
            Close.SameBits(actual.Dx, expected.Dx, $"dx, {what}");
            Close.SameBits(actual.Dscale, expected.Dscale, $"dscale, {what}");
            Close.SameBits(actual.Dshift, expected.Dshift, $"dshift, {what}");
        }
    }

    static void Compare(
        Result actual, float[] x, float[] scale, float[] shift, float[] dy, int images, int groups, bool silu)
    {
        var exact = PlainGradients.Norm<double>(x, scale, shift, dy, images, groups, 1e-5f, silu);
        var plain = PlainGradients.Norm<float>(x, scale, shift, dy, images, groups, 1e-5f, silu);

        // A group of one value has no gradient but rounding: what is left is measured against the terms that cancel.
        double largest = x.Length == images * groups ? 400 : 0;
        if (largest > 0)
        {
            Assert.That(actual.Dx.Max(Math.Abs), Is.LessThan(largest / (1 << 22)), "dx of groups of one value");
        }
        else
        {
            Close.LikePlain(actual.Dx, exact.Dx, plain.Dx, "dx", Factor);
        }

        Close.LikePlain(actual.Dscale, exact.Dscale, plain.Dscale, "dscale", Factor);
        Close.LikePlain(actual.Dshift, exact.Dshift, plain.Dshift, "dshift", Factor);
    }

    static (float[] X, float[] Scale, float[] Shift, float[] Dy) Inputs(int rows, int channels) =>
    (
        [.. Plain.Random(rows * channels, 1).Select(value => 3 * value + 0.5f)],
        [.. Plain.Random(channels, 2).Select(value => 1 + 0.3f * value)],
        Plain.Random(channels, 3),
        Plain.Random(rows * channels, 4)
    );

    internal static Result Group(
        Device device, float[] x, float[] scale, float[] shift, float[] dy, int images, int groups, bool silu, float start = 0,
        int calls = 1, float eps = 1e-5f) =>
        Run(device, x, scale, shift, dy, images, start, calls, (a, y, i, w, b, dx, dw, db, d) =>
        {
            Tensor statistics = a.New([i.Shape[0], groups, 2]);
            device.Kernels.GroupNorm(y, i, w, b, groups, eps, silu, statistics);
            device.Gradients.GroupNorm(dx, dw, db, d, i, statistics, w, b, groups, silu, start != 0);
        });

    internal static Result Layer(
        Device device, float[] x, float[] scale, float[] shift, float[] dy, int images, float start = 0, int calls = 1,
        float eps = 1e-5f) =>
        Run(device, x, scale, shift, dy, images, start, calls, (a, y, i, w, b, dx, dw, db, d) =>
        {
            Tensor statistics = a.New([checked((int)i.Shape.RowCount), 2]);
            device.Kernels.LayerNorm(y, i, w, b, eps, statistics);
            device.Gradients.LayerNorm(dx, dw, db, d, i, statistics, w, start != 0);
        });

    delegate void Step(Arena arena, Tensor y, Tensor x, Tensor scale, Tensor shift, Tensor dx, Tensor dscale, Tensor dshift, Tensor dy);

    static Result Run(
        Device device, float[] x, float[] scale, float[] shift, float[] dy, int images, float start, int calls, Step step)
    {
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Shape shape = [images, x.Length / images / scale.Length, scale.Length];
        Tensor input = ops.From<float>(shape, x);
        Tensor gradient = ops.From<float>(shape, dy);
        Tensor y = ops.New(shape);
        Tensor dx = GradientRun.Filled(ops, shape, start == 0 ? float.NaN : start);
        Tensor dscale = GradientRun.Filled(ops, [scale.Length], start);
        Tensor dshift = GradientRun.Filled(ops, [scale.Length], start);
        Tensor w = ops.From<float>([scale.Length], scale);
        Tensor b = ops.From<float>([scale.Length], shift);
        int some = images / calls;
        for (int i = 0; i < images; i += some)
        {
            step(arena, y.Rows(i, some), input.Rows(i, some), w, b, dx.Rows(i, some), dscale, dshift, gradient.Rows(i, some));
        }

        var result = new Result(device.ToArray(y), device.ToArray(dx), device.ToArray(dscale), device.ToArray(dshift));
        arena.Release();
        return result;
    }

    static Parameter Vector(Device device, float[] values) => device.LoadFloats(ParameterKind.Vector, [values.Length], values);
}
