using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Operations;

/// <summary>Values, the forms made from them, and the ways into both.</summary>
public sealed class ParameterTests
{
    static readonly DType[] types = [DType.F32, DType.F16, DType.BF16];

    static IEnumerable<object[]> Pairs() =>
        OpRun.Levels.SelectMany(level => types.SelectMany(from => types.Select(to => new object[] { level, from, to })));

    /// <summary>
    /// Whatever a weight is stored as and kept as, the product and the convolution (direct, with few and with many channels, and by
    /// Winograd) have the bits that the rounded numbers give as F32.
    /// </summary>
    [TestCaseSource(nameof(Pairs))]
    public void KeptTypesHaveTheBitsOfTheirNumbers(SimdLevel level, DType from, DType to)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach ((ParameterKind kind, Shape shape, Shape input) in new (ParameterKind, Shape, Shape)[]
        {
            (ParameterKind.Matrix, [70, 83], [9, 83]),
            (ParameterKind.GegluMatrix, [90, 400], [40, 400]),
            (ParameterKind.Convolution, [37, 3, 3, 5], [1, 6, 7, 5]),
            (ParameterKind.Convolution, [40, 3, 3, 64], [1, 8, 9, 64]),
            (ParameterKind.Convolution, [48, 3, 3, 512], [1, 5, 5, 512]),
            (ParameterKind.Convolution, [32, 3, 3, 32], [2, 16, 16, 32]),
        })
        {
            float[] numbers = Plain.Random((int)shape.Count, 1);
            byte[] stored = Bytes(numbers, from);
            float[] kept = Floats(Bytes(Floats(stored, from), to), to);
            Parameter small = Kept(device, kind, shape, from, to, stored);
            Assert.That(small.Value.Exists, Is.False, "panels are all there is");
            Assert.That(small.Bytes, Is.EqualTo(device.ParameterBytes(kind, shape, to)));
            float[] x = Plain.Random((int)input.Count, 2);
            Assert.That(Apply(small), Is.EqualTo(Apply(device.LoadFloats(kind, shape, kept))), $"{kind} {shape} {from} kept as {to}");

            float[] Apply(Parameter w) => OpRun.Run(device, ops => kind == ParameterKind.Convolution
                ? ops.Conv2d(ops.From<float>(input, x), w)
                : ops.Linear(ops.From<float>(input, x), w, activation: kind == ParameterKind.Matrix ? Activation.None : Activation.Geglu));
        }
    }

    /// <summary>Half an ulp to even, subnormal halves, infinity: as the runtime rounds.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void KeepingHalvesRoundsToNearestEven(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        var random = new Random(1);
        float[] values =
        [
            0, -0f, 1, 1 + MathF.Pow(2, -11), 1 + 3 * MathF.Pow(2, -11), 65504, 65519.99f, 65520, -70000, 1e30f, float.PositiveInfinity,
            MathF.Pow(2, -24), MathF.Pow(2, -25), 1.0001f * MathF.Pow(2, -25), MathF.Pow(2, -14), -MathF.Pow(2, -14) * 0.99999f,
            .. Enumerable.Range(0, 4000).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-30, 20)))),
        ];
        Parameter table = Kept(device, ParameterKind.Table, [values.Length, 1], DType.F32, DType.F16, Bytes(values, DType.F32));
        var bits = new ushort[values.Length];
        device.Read<ushort>(bits, table);
        Assert.That(bits, Is.EqualTo(values.Select(value => BitConverter.HalfToUInt16Bits((Half)value))));
    }

    /// <summary>Values in a flat arena; after a change and a rebuild every form is that of the new value; nothing is allocated.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void FormsFollowTheValue(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        float[] first = Plain.Random(64 * 9 * 64, 1);
        float[] second = Plain.Random(first.Length, 2);
        var source = new Floating(first);
        var weights = new Weights(device, source);
        Parameter filter = weights.Convolution("filter", 64, 64, 3);
        Parameter vector = weights.Vector("vector", 5);
        var flat = new FlatParameters(device, weights.Asked);
        weights.Load();
        Assert.That(flat.Values.Count, Is.EqualTo(64 * 9 * 64 + FlatParameters.Alignment), "the vector is padded");
        Assert.That(device.ToArray(filter.Value), Is.EqualTo(Layouts.NchwToNhwc(first, 64, 64, 9)), "turned");
        Assert.That(device.ToArray(vector), Is.EqualTo(first[..5]));
        Assert.That(device.ToArray(flat.Gradients), Is.All.Zero);
        Assert.That(Apply(filter), Is.EqualTo(Apply(Fresh(device, first))));
        device.Write<float>(filter.Value, second);
        flat.Rebuild();
        Assert.That(Apply(filter), Is.EqualTo(Apply(device.LoadFloats(ParameterKind.Convolution, [64, 3, 3, 64], second))));
        long before = GC.GetAllocatedBytesForCurrentThread();
        flat.Rebuild();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        flat.Free();
        Assert.That((filter.IsFilled, filter.Bytes), Is.EqualTo((false, 0L)));

        float[] Apply(Parameter w) => OpRun.Run(device, ops => ops.Conv2d(ops.From<float>([1, 16, 16, 64], Plain.Random(16384, 3)), w));
    }

    /// <summary>A freed parameter can be loaded again.</summary>
    [Test]
    public void FreedParametersLoadAgain()
    {
        using CpuDevice device = OpRun.Cpu(OpRun.Levels.Last());
        var weights = new Weights(device, new Floating(Plain.Random(400, 1)));
        Parameter matrix = weights.Matrix("matrix", 20, 20);
        Parameter vector = weights.Vector("vector", 20);
        weights.Load();
        float[] loaded = device.ToArray(vector);
        long bytes = matrix.Bytes;
        matrix.Free();
        vector.Free();
        Assert.That((matrix.IsFilled, vector.IsFilled), Is.EqualTo((false, false)));
        weights.Load();
        Assert.That((matrix.Bytes, device.ToArray(vector)[7]), Is.EqualTo((bytes, loaded[7])));
    }

    /// <summary>Panels that are loaded together are one allocation, which ends with the last of them.</summary>
    [Test]
    public void PanelsShareMemoryUntilTheLastIsFreed()
    {
        using var device = new CountingDevice(OpRun.Cpu(OpRun.Levels.Last()));
        var memory = new PanelMemory(device, PanelMemory.Room(100) + 28);
        nint first = memory.Take(100);
        nint second = memory.Take(28);
        Assert.That((second - first, second % 64), Is.EqualTo(((nint)PanelMemory.Room(100), (nint)0)), "one after the other, on a line");
        Assert.That(() => memory.Take(1), Throws.InstanceOf<ArgumentOutOfRangeException>(), "full");
        memory.Leave();
        Assert.That((device.Allocations, device.Frees), Is.EqualTo((1, 0)));
        memory.Leave();
        Assert.That((device.Allocations, device.Frees), Is.EqualTo((1, 1)));
    }

    /// <summary>What is read in pieces of rows by several threads is what was stored, whatever the threads.</summary>
    [TestCase(1)]
    [TestCase(3)]
    public void LargeWeightsArriveWhole(int threads)
    {
        using var device = new CpuDevice(threads);
        var source = new Floating(Plain.Random(1500 * 700, 1));
        var weights = new Weights(device, source);
        Parameter matrix = weights.Matrix("matrix", 1500, 700);
        Parameter table = weights.Plain("plain", [1500, 700]);
        weights.Load();
        Assert.That(device.ToArray(table), Is.EqualTo(source.Values));
        float[] unit = new float[700];
        unit[699] = 1;
        float[] column = OpRun.Run(device, ops => ops.Linear(ops.From<float>([1, 700], unit), matrix));
        Assert.That(column, Is.EqualTo(Enumerable.Range(0, 1500).Select(row => source.Values[row * 700 + 699])));
    }

    /// <summary>An error of the source ends the load, and is the one that is reported; a cancelled load throws.</summary>
    [Test]
    public void ErrorsAndCancellationEndTheLoad()
    {
        using CpuDevice device = OpRun.Cpu(OpRun.Levels.Last());
        var weights = new Weights(device, new Floating(new float[10]));
        weights.Matrix("matrix", 20, 20);
        Assert.That(() => weights.Load(), Throws.InstanceOf<ArgumentException>());
        Assert.That(() => weights.Load(new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
    }

    static Parameter Fresh(Device device, float[] oihw) =>
        device.LoadFloats(ParameterKind.Convolution, [64, 3, 3, 64], Layouts.NchwToNhwc(oihw, 64, 64, 9));

    static Parameter Kept(Device device, ParameterKind kind, Shape shape, DType from, DType to, byte[] stored)
    {
        var parameter = new Parameter("w", kind, shape, to);
        device.Load([new WantedParameter(parameter, new Stored(stored), shape, from, Turned: true)]);
        return parameter;
    }

    static byte[] Bytes(float[] values, DType type) => type switch
    {
        DType.F16 => MemoryMarshal.AsBytes<Half>(values.Select(value => (Half)value).ToArray()).ToArray(),
        DType.BF16 => MemoryMarshal.AsBytes<ushort>(values.Select(BFloat16).ToArray()).ToArray(),
        _ => MemoryMarshal.AsBytes<float>(values).ToArray(),
    };

    static float[] Floats(byte[] values, DType type) => type switch
    {
        DType.F16 => [.. MemoryMarshal.Cast<byte, Half>(values).ToArray().Select(value => (float)value)],
        DType.BF16 =>
            [.. MemoryMarshal.Cast<byte, ushort>(values).ToArray().Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16))],
        _ => MemoryMarshal.Cast<byte, float>(values).ToArray(),
    };

    /// <summary>To the nearer neighbour, to the one with an even last bit between them.</summary>
    static ushort BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint below = bits >> 16;
        uint cut = bits & 0xffff;
        return (ushort)(cut > 0x8000 || (cut == 0x8000 && (below & 1) == 1) ? below + 1 : below);
    }

    /// <summary>The same numbers under every name.</summary>
    sealed class Floating(float[] values) : IWeightSource
    {
        public float[] Values => values;

        public string Origin => "test";

        public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
        {
            (stored, type) = (wanted, DType.F32);
            return true;
        }

        public void Read(string name, Shape stored, Span<byte> destination, long from) =>
            MemoryMarshal.AsBytes(values.AsSpan()).Slice((int)from, destination.Length).CopyTo(destination);
    }

    sealed class Stored(byte[] values) : IWeightSource
    {
        public string Origin => "test";

        public bool TryFind(string name, Shape wanted, out Shape stored, out DType type) => throw new NotSupportedException();

        public void Read(string name, Shape stored, Span<byte> destination, long from) =>
            values.AsSpan((int)from, destination.Length).CopyTo(destination);
    }

    sealed class CountingDevice(Device inner) : WrappedDevice(inner)
    {
        public override Kernels Kernels => Inner.Kernels;

        public int Allocations { get; private set; }

        public int Frees { get; private set; }

        public override DeviceMemory Allocate(long bytes)
        {
            Allocations++;
            return Inner.Allocate(bytes);
        }

        public override void Free(DeviceMemory memory)
        {
            Frees++;
            Inner.Free(memory);
        }
    }
}
