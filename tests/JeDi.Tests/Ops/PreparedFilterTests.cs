using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tensors.Planning;

namespace JeDi.Tests.Operations;

/// <summary>What a device says it will prepare from filters is what it prepares, once for each form.</summary>
public sealed class PreparedFilterTests
{
    static readonly ConvGeometry same = new(1);

    /// <summary>16 x 16 outputs take the filter for Winograd tiles of 4 x 4 outputs (6 x 6 points), 8 x 8 that for 2 x 2 (4 x 4).</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void EachFormIsPreparedOnce(SimdLevel level)
    {
        const int Channels = 64;
        using CpuDevice device = OpRun.Cpu(level, keptFilterBytes: long.MaxValue);
        float[] values = Plain.Random(Channels * Channels * 9, 1);
        Parameter filter = device.LoadFloats(ParameterKind.Convolution, [Channels, 3, 3, Channels], values);
        Shape large = [1, 16, 16, Channels];
        Shape small = [1, 8, 8, Channels];
        long perLarge = Prepares(large);
        long perSmall = Prepares(small);
        Assert.That(perSmall, Is.AtLeast(4 * 4 * Channels * Channels * sizeof(float)), "the panels may end in zeros");
        Assert.That(perLarge * 4 * 4, Is.EqualTo(perSmall * 6 * 6));
        Assert.That(device.PreparedBytes, Is.Zero);
        Convolve(large);
        Assert.That((Prepares(large), Prepares(small), device.PreparedBytes), Is.EqualTo((0L, perSmall, perLarge)));
        Convolve(large.WithFirst(2));
        Assert.That((Prepares(large.WithFirst(3)), device.PreparedBytes), Is.EqualTo((0L, perLarge)), "the batch has no say");
        Convolve(small);
        Convolve(small);
        Assert.That((Prepares(large), Prepares(small), device.PreparedBytes), Is.EqualTo((0L, 0L, perLarge + perSmall)));

        long Prepares(Shape input) => device.PreparedFilterBytes(filter, input, same);

        void Convolve(Shape input) =>
            OpRun.Run(device, ops => ops.Conv2d(ops.From<float>(input, Plain.Random((int)input.Count, 2)), filter, null, geometry: same));
    }

    /// <summary>
    /// Filters that are kept and filters that are transformed on the way give the same bits, in both kinds of tile, with one block of tiles
    /// and several, of uneven size, with sums of one stretch of channels and of several, whatever the threads and the stored type.
    /// </summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void KeptOrNotTheBitsAreTheSame(SimdLevel level)
    {
        foreach ((int o, int i, Shape input) in new (int, int, Shape)[]
        {
            (48, 32, [1, 8, 8, 32]), (80, 288, [3, 9, 11, 288]), (96, 608, [1, 16, 17, 608]), (32, 64, [1, 72, 64, 64]),
            (288, 416, [1, 41, 40, 416]), (96, 96, [1, 772, 4, 96]),
        })
        {
            float[] x = Plain.Random((int)input.Count, 2);
            float[] expected = Convolve(1, long.MaxValue, DType.F16);
            foreach (int threads in new[] { 1, 2, 5 })
            {
                Assert.That(Convolve(threads, 0, DType.F16), Is.EqualTo(expected), $"{o} <- {input}, {threads} threads");
                Assert.That(Convolve(threads, 0, DType.F32), Is.EqualTo(expected), $"{o} <- {input}, {threads} threads, F32");
            }

            float[] Convolve(int threads, long kept, DType type) => Convolved(level, threads, kept, type, o, i, input, x);
        }
    }

    /// <summary>
    /// The same where a filter is so large that it is transformed group by group, with room for all tiles or not, or that it and all tiles
    /// have no room at once, or hardly any of them; never in more than 64 MB, which is what a plan says.
    /// </summary>
    [TestCase(640, 640, 64, 64)]
    [TestCase(640, 1920, 64, 48)]
    [TestCase(640, 640, 68, 68)]
    [TestCase(128, 1024, 72, 68)]
    public void LargeFiltersGiveTheSameBitsInLittleMemory(int o, int i, int height, int width)
    {
        SimdLevel level = OpRun.Levels.Last();
        Shape input = [1, height, width, i];
        float[] x = Plain.Random((int)input.Count, 2);
        Assert.That(
            Convolved(level, 2, 0, DType.F16, o, i, input, x),
            Is.EqualTo(Convolved(level, 2, long.MaxValue, DType.F16, o, i, input, x)));
        using CpuDevice device = OpRun.Cpu(level);
        long bytes = device.ScratchBytes(new Parameter("w", ParameterKind.Convolution, [o, 3, 3, i]), input, same);
        Assert.That(bytes, Is.InRange(16 << 20, 64 << 20));
    }

    static float[] Convolved(SimdLevel level, int threads, long kept, DType type, int o, int i, Shape input, float[] x)
    {
        using CpuDevice device = OpRun.Cpu(level, threads, keptFilterBytes: kept);
        Half[] halves = [.. Plain.Random(o * 9 * i, 1).Select(value => (Half)value)];
        Shape shape = [o, 3, 3, i];
        Parameter w = type == DType.F16
            ? device.Load("w", ParameterKind.Convolution, shape, type, MemoryMarshal.AsBytes<Half>(halves))
            : device.LoadFloats(ParameterKind.Convolution, shape, [.. halves.Select(value => (float)value)]);
        float[] y = OpRun.Run(device, ops => ops.Conv2d(ops.From<float>(input, x), w, geometry: same));
        Assert.That(device.PreparedBytes, kept == 0 ? Is.Zero : Is.Positive);
        return y;
    }

    /// <summary>Filters are kept while they fit; a plan says which bytes that will be.</summary>
    [Test]
    public void TheBudgetHolds()
    {
        using CpuDevice every = OpRun.Cpu(OpRun.Levels.Last(), keptFilterBytes: long.MaxValue);
        long each = every.PreparedFilterBytes(new Parameter("w", ParameterKind.Convolution, [64, 3, 3, 64]), [1, 16, 16, 64], same);
        using CpuDevice device = OpRun.Cpu(OpRun.Levels.Last(), keptFilterBytes: 2 * each + each / 2);
        Parameter[] filters = [.. Enumerable.Range(0, 4).Select(seed =>
            device.LoadFloats(ParameterKind.Convolution, [64, 3, 3, 64], Plain.Random(64 * 64 * 9, seed)))];
        using var plan = new PlanDevice(device);
        Convolve(plan);
        Convolve(device);
        Assert.That((device.PreparedBytes, plan.PreparedBytes), Is.EqualTo((2 * each, 2 * each)));
        Assert.That(plan.ScratchPeak, Is.Positive);

        void Convolve(Device on)
        {
            var ops = new Ops(on, new Arena(on));
            Tensor x = ops.From<float>([1, 16, 16, 64], new float[16 * 16 * 64]);
            foreach (Parameter filter in filters)
            {
                ops.Conv2d(x, filter, geometry: same);
            }
        }
    }

    [Test]
    public void DirectConvolutionsPrepareNothing()
    {
        using CpuDevice device = OpRun.Cpu(OpRun.Levels.Last());
        using CpuDevice direct = OpRun.Cpu(OpRun.Levels.Last(), winograd: false);
        Assert.That(Prepares(device, [64, 3, 3, 64], same), Is.Positive);
        Assert.That(Prepares(direct, [64, 3, 3, 64], same), Is.Zero, "switched off");
        Assert.That(Prepares(device, [64, 1, 1, 64], same), Is.Zero, "one tap");
        Assert.That(Prepares(device, [64, 3, 3, 64], new ConvGeometry(2)), Is.Zero, "strides");
        Assert.That(Prepares(device, [64, 3, 3, 9], same), Is.Zero, "few channels");

        static long Prepares(Device device, Shape filter, ConvGeometry geometry) =>
            device.PreparedFilterBytes(new Parameter("w", ParameterKind.Convolution, filter), [1, 16, 16, filter[3]], geometry);
    }

    /// <summary>
    /// The network that lies on the device, run on its plan: the plan tells what the run then adds. At half the size filters take their
    /// other form; at a size that has run, none is missing.
    /// </summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void APlanOfARealNetworkTellsWhatItsRunPrepares(SimdLevel level)
    {
        UNetConfig config = UNetConfig.Read(ConfigReader.Parse(
            """
            {"block_out_channels": [32, 64], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 2,
             "cross_attention_dim": 24, "in_channels": 4, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
             "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
            """,
            "test"));
        using CpuDevice device = OpRun.Cpu(level, keptFilterBytes: long.MaxValue);
        var network = Weights.Load(device, new RecipeSource("prepared/"), w => new UNet(w, config));
        foreach (int size in new[] { 16, 8, 32 })
        {
            long before = device.PreparedBytes;
            long planned = Planned(size);
            Assert.That(planned, Is.Positive, $"{size} x {size} takes forms of its own");
            Predict(device, size);
            Assert.That(device.PreparedBytes - before, Is.EqualTo(planned), $"{size} x {size}");
            Assert.That(Planned(size), Is.Zero, $"{size} x {size} again");
        }

        Assert.That(Planned(64), Is.Zero, "every level has had an image of 16 x 16 locations or more");

        // Two runs of one plan prepare a form once.
        long Planned(int size)
        {
            using var plan = new PlanDevice(device);
            Predict(plan, size);
            Predict(plan, size);
            return plan.PreparedBytes;
        }

        void Predict(Device on, int size)
        {
            var arena = new Arena(on);
            var ops = new Ops(on, arena);
            TextKeys keys = network.EncodeText(ops, ops.From<float>([1, 77, 24], new float[77 * 24]));
            Tensor x = ops.From<float>([1, size, size, 4], new float[size * size * 4]);
            network.Run(ops, x, ops.From<float>([1], [500]), keys, new JointBatch(ops, [1], [0]));
            arena.Release();
        }
    }
}
