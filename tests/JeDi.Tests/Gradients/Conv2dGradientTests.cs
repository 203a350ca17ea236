using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

public sealed class Conv2dGradientTests
{
    const double Factor = 3;

    /// <summary>A Winograd convolution may be off by four times what the direct one may.</summary>
    const double WinogradFactor = 4 * Factor;

    /// <summary>
    /// Input [B, H, W, I], O, kernel, geometry: odd sizes, every padding and stride, few channels, one over each tile, maps of so few
    /// pixels that sums leave out what is beyond the border.
    /// </summary>
    static readonly (Shape Input, int O, int Kernel, ConvGeometry Geometry)[] cases =
    [
        ([1, 1, 1, 1], 1, 3, new(1)),
        ([2, 5, 7, 3], 4, 3, new(1)),
        ([1, 15, 15, 4], 33, 3, new(1)),
        ([2, 9, 4, 37], 8, 3, new(1)),
        ([1, 6, 300, 9], 5, 3, new(1)),
        ([2, 8, 6, 66], 40, 3, new(1)),
        ([1, 4, 3, 5], 512, 3, new(1)),
        ([2, 8, 8, 17], 19, 3, new(2)),
        ([1, 7, 9, 8], 31, 3, new(2)),
        ([1, 1, 2, 3], 2, 3, new(2)),
        ([2, 8, 8, 5], 6, 3, new(2, Padding.RightBottom)),
        ([1, 9, 7, 40], 33, 3, new(2, Padding.RightBottom)),
        ([2, 3, 5, 7], 9, 3, new(1, Padding.Same, Upsample: true)),
        ([2, 5, 6, 13], 15, 1, new(1)),
        ([1, 6, 6, 4], 9, 1, new(2)),
        ([1, 8, 12, 3], 16, 4, new(4, Padding.None)),
        ([1, 7, 6, 5], 11, 5, new(1)),
        ([3, 4, 4, 64], 40, 3, new(1)),
        ([5, 2, 3, 32], 15, 3, new(1)),
        ([3, 1, 1, 48], 7, 3, new(1)),
        ([2, 4, 3, 17], 9, 3, new(1)),
        ([3, 8, 7, 32], 16, 3, new(2)),
        ([2, 6, 6, 32], 9, 3, new(2, Padding.RightBottom)),
        ([2, 2, 1, 32], 16, 3, new(1, Padding.Same, Upsample: true)),
    ];

    /// <summary>
    /// Edge tiles, up-sampling, sizes about both tiles, tiles of rows that end in the middle of a register; a thread's tiles in several
    /// chunks; a filter that threads share.
    /// </summary>
    static readonly (Shape Input, int O, ConvGeometry Geometry)[] winogradCases =
    [
        ([2, 16, 16, 32], 48, new(1)),
        ([2, 44, 40, 32], 32, new(1)),
        ([1, 16, 8, 192], 208, new(1)),
        ([1, 17, 19, 48], 32, new(1)),
        ([2, 8, 8, 32], 80, new(1)),
        ([1, 9, 11, 80], 32, new(1)),
        ([2, 4, 4, 32], 32, new(1, Padding.Same, Upsample: true)),
        ([1, 9, 10, 32], 48, new(1, Padding.Same, Upsample: true)),
    ];

    static IEnumerable<object[]> Cases() =>
        OpRun.Levels.SelectMany(level => Enumerable.Range(0, cases.Length).Select(index => new object[] { level, index }));

    static IEnumerable<object[]> WinogradCases() =>
        OpRun.Levels.SelectMany(level => Enumerable.Range(0, winogradCases.Length).Select(index => new object[] { level, index }));

    [TestCaseSource(nameof(Cases))]
    public void EqualsFloat64(SimdLevel level, int index)
    {
        (Shape input, int o, int kernel, ConvGeometry geometry) = cases[index];
        using CpuDevice device = OpRun.Cpu(level, winograd: false);
        Check(device, input, o, kernel, geometry, Factor);
    }

    [TestCaseSource(nameof(WinogradCases))]
    public void WinogradIsNearFloat64(SimdLevel level, int index)
    {
        (Shape input, int o, ConvGeometry geometry) = winogradCases[index];
        using CpuDevice device = OpRun.Cpu(level);
        Check(device, input, o, 3, geometry, WinogradFactor);
        using CpuDevice direct = OpRun.Cpu(level, winograd: false);
        Check(direct, input, o, 3, geometry, Factor);
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void AddsToWhatIsThere(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach ((Shape input, int o, ConvGeometry geometry) in new (Shape, int, ConvGeometry)[]
            {
                ([1, 5, 7, 3], 4, new(1)), ([1, 6, 8, 5], 6, new(2)), ([1, 16, 16, 32], 32, new(1)),
                ([1, 4, 5, 6], 7, new(1, Upsample: true)),
            })
        {
            float[] x = Plain.Random((int)input.Count, 1);
            float[] w = Plain.Random(o * 9 * input[3], 2);
            float[] dy = Plain.Random((int)GradientRun.Output(input, o, 3, geometry).Count, 3);
            const float Start = 2;
            ProductGradients added = GradientRun.Conv2d(device, x, w, dy, input, o, 3, geometry, Start);
            ProductGradients alone = GradientRun.Conv2d(device, x, w, dy, input, o, 3, geometry);

            // Two roundings at the scale of the sum.
            Same(added.Dx, alone.Dx, "dx");
            Same(added.Dw, alone.Dw, "dw");
            Same(added.Dbias, alone.Dbias, "dbias");
            Same(added.DrowBias, alone.DrowBias, "drowBias");

            static void Same(float[] added, float[] alone, string what) =>
                Close.Within(added, [.. alone.Select(value => (double)value + Start)], 1e-5, what);
        }
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void BitsDependNeitherOnThreadsNorOnHowImagesAreGrouped(SimdLevel level)
    {
        foreach ((Shape input, int o, ConvGeometry geometry) in new (Shape, int, ConvGeometry)[]
            {
                ([4, 7, 6, 20], 33, new(1)), ([4, 8, 8, 17], 19, new(2)), ([4, 16, 16, 32], 48, new(1)), ([4, 8, 8, 48], 32, new(1)),
                ([4, 4, 4, 64], 33, new(1)), ([4, 2, 2, 32], 20, new(1)),
            })
        {
            float[] x = Plain.Random((int)input.Count, 1);
            float[] w = Plain.Random(o * 9 * input[3], 2);
            float[] dy = Plain.Random((int)GradientRun.Output(input, o, 3, geometry).Count, 3);
            using CpuDevice one = OpRun.Cpu(level, threads: 1);
            ProductGradients expected = GradientRun.Conv2d(one, x, w, dy, input, o, 3, geometry);
            foreach (int threads in new[] { 1, 3 })
            {
                using CpuDevice device = OpRun.Cpu(level, threads);
                foreach (int calls in new[] { 1, 4 })
                {
                    string what = $"{input} {threads} threads, {calls} calls";
                    ProductGradients actual = GradientRun.Conv2d(device, x, w, dy, input, o, 3, geometry, calls: calls);
                    Close.SameBits(actual.Dx, expected.Dx, $"dx {what}");
                    Close.SameBits(actual.Dw, expected.Dw, $"dw {what}");
                    Close.SameBits(actual.Dbias, expected.Dbias, $"dbias {what}");
                    Close.SameBits(actual.DrowBias, expected.DrowBias, $"drowBias {what}");
                }
            }
        }
    }

    static void Check(Device device, Shape input, int o, int kernel, ConvGeometry geometry, double factor)
    {
        float[] x = Plain.Random((int)input.Count, 1);
        float[] w = Plain.Random(o * kernel * kernel * input[3], 2);
        float[] dy = Plain.Random((int)GradientRun.Output(input, o, kernel, geometry).Count, 3);
        ProductGradients actual = GradientRun.Conv2d(device, x, w, dy, input, o, kernel, geometry);
        var exact = PlainGradients.Conv2d<double>(x, w, dy, input, o, kernel, geometry);
        var plain = PlainGradients.Conv2d<float>(x, w, dy, input, o, kernel, geometry);
        Close.LikePlain(actual.Dx, exact.Dx, plain.Dx, "dx", factor);
        Close.LikePlain(actual.Dw, exact.Dw, plain.Dw, "dw", factor);
        Close.LikePlain(actual.Dbias, exact.Dbias, plain.Dbias, "dbias", factor);
        Close.LikePlain(actual.DrowBias, exact.DrowBias, plain.DrowBias, "drowBias", factor);
    }
}
