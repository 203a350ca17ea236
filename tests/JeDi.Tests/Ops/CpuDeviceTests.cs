using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;

namespace JeDi.Tests.Operations;

public sealed class CpuDeviceTests
{
    [Test]
    public void TooMuchMemoryIsRefusedWithBothNumbers()
    {
        using var device = new CpuDevice(1);
        Assert.That(
            () => device.Allocate(1L << 50),
            Throws.InstanceOf<OutOfDeviceMemoryException>()
                .With.Message.Match(@"out of memory on .*: 1073741824 MB needed, \d+ MB available"));
        Assert.That(device.AvailableBytes, Is.InRange(1L << 20, 1L << 45));
    }

    [Test]
    public void MemoryIsAlignedAndComesBack()
    {
        using var device = new CpuDevice(1);
        foreach ((long bytes, long alignment) in new[] { (1L, 64L), (100_000, 64), (5L << 20, 2L << 20) })
        {
            DeviceMemory memory = device.Allocate(bytes);
            Assert.That(memory.Address % alignment, Is.Zero, $"{bytes} bytes");
            device.Free(memory);
            device.Free(memory);
        }
    }

    /// <summary>An exception on the thread that compiles kernels would end the process.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void EveryKernelHasAFirstRun(SimdLevel level) => Assert.That(() => FirstRun.Run(level), Throws.Nothing);

    /// <summary>Vectors and plain values are kept as F32, whatever they were stored as; tables stay as small as they were.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void PlainWeightsAreWidened(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        float[] values = [.. Enumerable.Range(-500, 1003).Select(i => i / 8f)];
        Half[] halves = [.. values.Select(value => (Half)value)];
        ushort[] bfloats = [.. values.Select(value => (ushort)(BitConverter.SingleToUInt32Bits(MathF.Round(value)) >> 16))];
        Assert.That(Loaded(DType.F32, MemoryMarshal.AsBytes<float>(values)), Is.EqualTo(values));
        Assert.That(Loaded(DType.F16, MemoryMarshal.AsBytes<Half>(halves)), Is.EqualTo(values));
        Assert.That(
            Loaded(DType.BF16, MemoryMarshal.AsBytes<ushort>(bfloats)),
            Is.EqualTo(bfloats.Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16))));
        Assert.That(device.ParameterBytes(ParameterKind.Vector, [1003], DType.F16), Is.EqualTo(4 * 1003));
        Assert.That(device.ParameterBytes(ParameterKind.Table, [17, 59], DType.F16), Is.EqualTo(2 * 1003));
        Assert.That(
            () => device.Load("some.weight", ParameterKind.Vector, [3], DType.F16, new byte[7]),
            Throws.ArgumentException.With.Message.EqualTo("'some.weight' F16[3] takes 6 bytes, got 7"));

        float[] Loaded(DType stored, ReadOnlySpan<byte> bytes)
        {
            int[] all = [.. Enumerable.Range(0, 17)];
            Parameter table = device.Load("table", ParameterKind.Table, [17, 59], stored, bytes);
            Assert.That(table.Bytes, Is.EqualTo(1003 * stored.Size()));
            float[] plain = device.ToArray(device.Load("plain", ParameterKind.Plain, [17, 59], stored, bytes));
            Assert.That(OpRun.Run(device, ops => ops.Embed(table, ops.From<int>([17], all))), Is.EqualTo(plain), "widened while read");
            return plain;
        }
    }

    /// <summary>Once scratch memory has its size, no operation makes garbage, on any thread.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void OperationsAllocateNothing(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Kernels kernels = device.Kernels;
        Tensor x = ops.From<float>([4, 16, 16, 48], Plain.Random(4 * 256 * 48, 1));
        Tensor y = ops.New(x.Shape);
        Tensor tokens = x.Reshape([4, 256, 48]);
        Tensor seen = y.Reshape([4, 256, 48]);
        Parameter vector = device.LoadFloats(ParameterKind.Vector, [48], Plain.Random(48, 2));
        Parameter matrix = device.LoadFloats(ParameterKind.Matrix, [48, 48], Plain.Random(48 * 48, 3));
        Parameter filter = device.LoadFloats(ParameterKind.Convolution, [48, 3, 3, 48], Plain.Random(48 * 48 * 9, 4));
        Tensor bounds = ops.From<int>([3], [0, 1, 4]);
        Tensor ids = ops.From<int>([4], [3, 2, 1, 0]);
        Tensor wide = ops.New([4, 16, 16, 96]);
        Tensor map = ops.New([1024, 1024]);
        Tensor latent = ops.New([4, 16, 16, 4]);
        Tensor input = ops.New([4, 16, 16, 9]);
        Tensor mask = ops.From<float>([4], [1, 0, 1, 0]);
        Tensor pixels = ops.From<float>([4, 16, 16, 1], Plain.Random(1024, 5));
        Tensor amount = ops.From<float>([1], [0.5f]);
        Tensor coefficients = ops.From<float>([2], [0.5f, -1]);
        Tensor embedding = ops.New([4, 48]);
        device.Fill(latent, 0);

        void Step()
        {
            kernels.Gemm(y, x, matrix, vector, x, Activation.Gelu);
            kernels.Conv2d(y, x, filter, vector, default, x, new ConvGeometry(1));
            kernels.GroupNorm(y, x, vector, vector, 16, 1e-5f, silu: true);
            kernels.LayerNorm(y, x, vector, vector, 1e-5f);
            kernels.Attention(seen, tokens, tokens, tokens, 6, new AttentionSets(bounds, bounds), mask, causal: false);
            kernels.AttentionMap(map, tokens, tokens, 6, mask);
            kernels.Add(y, x, vector);
            kernels.Concat(wide, x, y);
            kernels.Embed(y, x, ids);
            kernels.TimestepEmbedding(embedding, mask);
            kernels.Combine(y, coefficients, [x, y]);
            kernels.PackInput(input, latent, latent, mask, amount, InputLayout.MaskNoisyClean);
            kernels.Rescale(y, y, x, amount);
            kernels.Blend(y, pixels, x, y);
            kernels.Copy(y, x);
        }

        Step();
        Step();

        // The test runner's own threads may allocate beside a step, so one clean step is proof.
        long least = long.MaxValue;
        for (int run = 0; run < 10 && least > 0; run++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Step();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        Assert.That(least, Is.Zero);
        arena.Release();
    }
}
