using System.Runtime.InteropServices;
using JeDi.Cuda;
using JeDi.Tensors;
using JeDi.Tests.Simulator;

namespace JeDi.Tests.Cuda;

/// <summary>
/// Weights on their way to the device. The simulator does what is on a stream when somebody waits for it, and not before: so what is under
/// way while a weight is read is what nobody has waited for.
/// </summary>
[Category("Target")]
public sealed class UploadTests
{
    const int Count = 8;
    const int Rows = 1024;
    const int Columns = 3072;

    /// <summary>Of the two halves of pinned memory that weights pass through.</summary>
    const long HalfBytes = 8L << 20;

    /// <summary>More than a piece that one thread reads at once.</summary>
    const long SomeBytes = 1L << 19;

    [SetUp]
    public void NeedsTheSimulator()
    {
        if (Targets.Choice != "sim")
        {
            Assert.Ignore("the simulator counts");
        }
    }

    /// <summary>
    /// While one half of the pinned memory is filled, the other one is under way; no more is taken, and all arrives: nothing is written
    /// over before it has gone.
    /// </summary>
    [Test]
    public void TheNextAreReadWhileTheLastGoUp()
    {
        using CudaDevice device = Targets.Cuda(DType.F16);
        var source = new WatchedSource();
        var weights = new Weights(device, source);
        Parameter[] parameters = [.. Enumerable.Range(0, Count).Select(i => weights.Matrix($"{i}", Rows, Columns))];
        device.Synchronize();
        SimulatorControl.Reset();
        weights.Load();

        Assert.That(source.Reads.Sum(read => read.Bytes), Is.EqualTo(2L * Count * Rows * Columns));
        Assert.That(source.Reads.Max(read => read.Bytes), Is.LessThan(SomeBytes));
        long before = 0;
        foreach ((long bytes, long underWay) in source.Reads)
        {
            long least = before < HalfBytes ? 0 : HalfBytes - SomeBytes;
            Assert.That(underWay, Is.InRange(least, HalfBytes), $"bytes under way when those from {before} on are read");
            before += bytes;
        }

        Assert.That(Number("mostBytesUnderWay"), Is.InRange(2 * (HalfBytes - SomeBytes), 2 * HalfBytes));
        Assert.That(Number("pageableCopies"), Is.Zero);
        for (int i = 0; i < Count; i++)
        {
            var values = new ushort[Rows * Columns];
            device.Read<ushort>(values, parameters[i].Value);
            Assert.That(values.AsSpan().SequenceEqual(WatchedSource.Values(i).AsSpan(0, values.Length)), Is.True, $"weight {i}");
        }

        Assert.That(Number("bytesUnderWay"), Is.Zero);
    }

    /// <summary>
    /// Filters of several pieces, behind and before other weights, come channels last and as floats; a row that no half can hold comes,
    /// too.
    /// </summary>
    [Test]
    public void PiecesAreTurnedAndConverted()
    {
        const int Filters = 96;
        const int Channels = 640;
        const int Taps = 9;
        const int LongRow = (int)HalfBytes / 2 + 8;
        using CudaDevice device = Targets.Cuda(DType.F32);
        var weights = new Weights(device, new WatchedSource());
        Parameter matrix = weights.Matrix("1", 3, 5);
        Parameter filter = weights.Convolution("2", Filters, Channels, 3);
        Parameter longRow = weights.Plain("3", [1, LongRow]);
        Parameter vector = weights.Vector("4", 7);
        weights.Load();

        Assert.That(Numbers(matrix), Is.EqualTo(Stored(1, 15)));
        float[] stored = Stored(2, Filters * Channels * Taps);
        float[] turned = Layouts.NchwToNhwc(stored, Filters, Channels, Taps);
        Assert.That(Numbers(filter).AsSpan().SequenceEqual(turned), Is.True);
        Assert.That(turned[1], Is.EqualTo(stored[Taps]));
        Assert.That(Numbers(longRow).AsSpan().SequenceEqual(Stored(3, LongRow)), Is.True);
        Assert.That(Numbers(vector), Is.EqualTo(Stored(4, 7)));

        float[] Numbers(Parameter parameter)
        {
            var values = new float[parameter.Shape.Count];
            device.Read<float>(values, parameter.Value);
            return values;
        }

        float[] Stored(int weight, int count) =>
            [.. WatchedSource.Values(weight).AsSpan(0, count).ToArray().Select(bits => (float)BitConverter.UInt16BitsToHalf(bits))];
    }

    static long Number(string name) => SimulatorControl.Report().GetProperty(name).GetInt64();

    /// <summary>Notes what is under way whenever rows are read.</summary>
    sealed class WatchedSource : IWeightSource
    {
        /// <summary>Finite halves, so that they are equal to themselves.</summary>
        const ushort FiniteBits = 0x7BFF;

        static readonly Dictionary<int, ushort[]> values = [];

        public List<(long Bytes, long UnderWay)> Reads { get; } = [];

        public string Origin => "numbers";

        public static ushort[] Values(int weight)
        {
            lock (values)
            {
                if (!values.TryGetValue(weight, out ushort[]? all))
                {
                    all = [.. Enumerable.Range(0, 2 * Rows * Columns).Select(i => (ushort)((i * 31 + weight * 7919) % FiniteBits))];
                    values.Add(weight, all);
                }

                return all;
            }
        }

        public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
        {
            (stored, type) = (wanted, DType.F16);
            return true;
        }

        public void Read(string name, Shape stored, Span<byte> destination, long from)
        {
            lock (Reads)
            {
                Reads.Add((destination.Length, Number("bytesUnderWay")));
            }

            MemoryMarshal.AsBytes<ushort>(Values(int.Parse(name))).Slice((int)from, destination.Length).CopyTo(destination);
        }
    }
}
