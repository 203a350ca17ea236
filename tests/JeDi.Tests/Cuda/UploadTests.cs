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
    const long WeightBytes = 2L * Rows * Columns;

    /// <summary>Two halves of pinned memory, 8 MB each.</summary>
    const long StagingBytes = 16L << 20;

    [SetUp]
    public void NeedsTheSimulator()
    {
        if (Targets.Choice != "sim")
        {
            Assert.Ignore("the simulator counts");
        }
    }

    /// <summary>
    /// Each weight is read while the one before the last is still under way, through pinned memory of two weights and no more, and all
    /// arrive: none is written over before it has gone.
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

        Assert.That(source.UnderWay, Has.Count.EqualTo(Count));
        Assert.That(source.UnderWay.Skip(2), Is.All.GreaterThanOrEqualTo(WeightBytes), "bytes under way when a weight is read");
        Assert.That(Number("mostBytesUnderWay"), Is.InRange(2 * WeightBytes, StagingBytes));
        Assert.That(Number("pageableCopies"), Is.Zero);
        for (int i = 0; i < Count; i++)
        {
            var values = new ushort[Rows * Columns];
            device.Read<ushort>(values, parameters[i].Value);
            Assert.That(values.AsSpan().SequenceEqual(WatchedSource.Values(i)), Is.True, $"weight {i}");
        }

        Assert.That(Number("bytesUnderWay"), Is.Zero);
    }

    static long Number(string name) => SimulatorControl.Report().GetProperty(name).GetInt64();

    /// <summary>Notes what is under way whenever a weight is read.</summary>
    sealed class WatchedSource : IWeightSource
    {
        public List<long> UnderWay { get; } = [];

        public string Origin => "numbers";

        public static ushort[] Values(int weight) => [.. Enumerable.Range(0, Rows * Columns).Select(i => (ushort)(i * 31 + weight * 7919))];

        public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
        {
            (stored, type) = (wanted, DType.F16);
            return true;
        }

        public void Read(string name, Shape stored, Span<byte> destination, long from)
        {
            lock (UnderWay)
            {
                UnderWay.Add(Number("bytesUnderWay"));
            }

            MemoryMarshal.AsBytes<ushort>(Values(int.Parse(name))).Slice((int)from, destination.Length).CopyTo(destination);
        }
    }
}
