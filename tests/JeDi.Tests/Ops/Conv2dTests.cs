using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Operations;

public sealed class Conv2dTests
{
    /// <summary>Input [B, H, W, I], O, kernel, geometry: odd sizes, every padding and stride, few channels, one over each tile.</summary>
    static readonly (Shape Input, int O, int Kernel, ConvGeometry Geometry)[] cases =
    [
        ([1, 1, 1, 1], 1, 3, new(1)),
        ([2, 5, 7, 3], 4, 3, new(1)),
        ([1, 15, 15, 4], 33, 3, new(1)),
        ([2, 9, 4, 37], 8, 3, new(1)),
        ([1, 6, 300, 9], 5, 3, new(1)),
        ([2, 8, 6, 130], 40, 3, new(1)),
        ([1, 4, 3, 512], 3, 3, new(1)),
        ([2, 8, 8, 17], 19, 3, new(2)),
        ([1, 7, 9, 8], 31, 3, new(2)),
        ([2, 8, 8, 5], 6, 3, new(2, Padding.RightBottom)),
        ([1, 9, 7, 40], 33, 3, new(2, Padding.RightBottom)),
        ([2, 3, 5, 7], 9, 3, new(1, Padding.Same, Upsample: true)),
        ([1, 4, 4, 64], 64, 3, new(1, Padding.Same, Upsample: true)),
        ([2, 5, 6, 13], 15, 1, new(1)),
        ([1, 6, 6, 4], 9, 1, new(2)),
        ([2, 28, 42, 3], 34, 14, new(14, Padding.None)),
        ([1, 8, 12, 3], 16, 4, new(4, Padding.None)),
        ([1, 7, 6, 5], 11, 5, new(1)),
    ];

    static IEnumerable<object[]> Cases() =>
        Targets.All.SelectMany(target => Enumerable.Range(0, cases.Length).Select(index => new object[] { target, index }));

    [OnTargets(nameof(Cases))]
    public void EqualsFloat64(string target, int index)
    {
        (Shape input, int o, int kernel, ConvGeometry geometry) = cases[index];
        using Device device = OpRun.Make(target, winograd: false);
        float[] x = Plain.Random((int)input.Count, 1);
        float[] w = Plain.Random(o * kernel * kernel * input[3], 2);
        int pixels = input[0] * geometry.OutputSize(input[1], kernel) * geometry.OutputSize(input[2], kernel);
        foreach (bool epilogue in new[] { false, true })
        {
            float[]? bias = epilogue ? Plain.Random(o, 3) : null;
            float[]? rowBias = epilogue ? Plain.Random(input[0] * o, 4) : null;
            float[]? residual = epilogue ? Plain.Random(pixels * o, 5) : null;
            Close.LikePlain(
                OpRun.Conv2d(device, x, w, bias, rowBias, residual, input, o, kernel, geometry),
                Plain.Conv2d<double>(x, w, bias, rowBias, residual, input, o, kernel, geometry),
                Plain.Conv2d<float>(x, w, bias, rowBias, residual, input, o, kernel, geometry));
        }
    }

    /// <summary>
    /// Winograd's algorithm may be off by four times what the direct one may: edge tiles, up-sampling, sizes about both tiles.
    /// </summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void WinogradIsNearFloat64(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach ((int height, int width, int i, int o, bool upsample) in new[]
        {
            (16, 16, 32, 32, false), (17, 19, 64, 48, false), (32, 8, 48, 96, false), (8, 8, 64, 32, true), (9, 8, 96, 32, true),
            (8, 8, 160, 32, false), (9, 11, 32, 64, false), (11, 7, 96, 112, false), (5, 5, 32, 32, true),
            (44, 40, 32, 32, false), (16, 8, 208, 192, false),
        })
        {
            Shape input = [2, height, width, i];
            var geometry = new ConvGeometry(1, Padding.Same, upsample);
            int pixels = 2 * geometry.OutputSize(height, 3) * geometry.OutputSize(width, 3);
            float[] x = Plain.Random((int)input.Count, 1);
            float[] w = Plain.Random(o * 9 * i, 2);
            float[] bias = Plain.Random(o, 3);
            float[] rowBias = Plain.Random(2 * o, 4);
            float[] residual = Plain.Random(pixels * o, 5);
            float[] actual = OpRun.Conv2d(device, x, w, bias, rowBias, residual, input, o, 3, geometry);
            var filter = new Parameter("w", ParameterKind.Convolution, [o, 3, 3, i]);
            Assert.That(device.PreparedFilterBytes(filter, input, geometry), Is.Positive, $"{input}: direct");
            Close.LikePlain(
                actual,
                Plain.Conv2d<double>(x, w, bias, rowBias, residual, input, o, 3, geometry),
                Plain.Conv2d<float>(x, w, bias, rowBias, residual, input, o, 3, geometry),
                factor: 2 * 4);
        }
    }

    /// <summary>ReLU is the last thing that happens to a number: the bits are those without it, but for what lies below 0.</summary>
    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void ReluKeepsWhatIsAboveZero(string target)
    {
        using Device device = OpRun.Make(target);
        foreach ((int height, int width, int i, int o, int kernel, bool upsample) in new[]
        {
            (5, 7, 3, 4, 3, false), (17, 19, 64, 48, 3, false), (8, 8, 64, 32, 3, true), (9, 4, 37, 11, 1, false),
            (8, 8, 256, 16, 3, false),
        })
        {
            Shape input = [2, height, width, i];
            var geometry = new ConvGeometry(1, Padding.Same, upsample);
            int pixels = 2 * geometry.OutputSize(height, kernel) * geometry.OutputSize(width, kernel);
            float[] x = Plain.Random((int)input.Count, 1);
            float[] w = Plain.Random(o * kernel * kernel * i, 2);
            float[] bias = Plain.Random(o, 3);
            float[] residual = Plain.Random(pixels * o, 5);
            foreach (float[]? added in new[] { null, residual })
            {
                float[] whole = OpRun.Conv2d(device, x, w, bias, null, added, input, o, kernel, geometry);
                float[] actual = OpRun.Conv2d(device, x, w, bias, null, added, input, o, kernel, geometry, relu: true);
                Assert.That(whole.Min(), Is.Negative, "the case shows nothing");
                Assert.That(actual, Is.EqualTo(whole.Select(value => Math.Max(0, value))), $"{input}");
            }
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void BitsDependNeitherOnThreadsNorOnBatch(string target)
    {
        foreach ((int height, int width, int channels, int o) in new[] { (9, 11, 40, 70), (21, 19, 48, 80), (8, 8, 96, 32) })
        {
            Shape input = [3, height, width, channels];
            int image = height * width * channels;
            float[] x = Plain.Random(3 * image, 1);
            float[] w = Plain.Random(o * 9 * channels, 2);
            float[] bias = Plain.Random(o, 3);
            using Device one = OpRun.Make(target, threads: 1);
            float[] expected = OpRun.Conv2d(one, x, w, bias, null, null, input, o, 3, new(1));
            float[] second = OpRun.Conv2d(one, x[image..(2 * image)], w, bias, null, null, input.WithFirst(1), o, 3, new(1));
            Assert.That(second, Is.EqualTo(expected[second.Length..(2 * second.Length)]), $"{input}: one image alone");
            foreach (int threads in new[] { 2, 3 })
            {
                using Device several = OpRun.Make(target, threads);
                float[] actual = OpRun.Conv2d(several, x, w, bias, null, null, input, o, 3, new(1));
                Assert.That(actual, Is.EqualTo(expected), $"{input}: {threads} threads");
            }
        }
    }
}
