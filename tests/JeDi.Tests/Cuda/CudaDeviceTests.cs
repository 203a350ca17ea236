using JeDi.Cuda;
using JeDi.Tensors;

namespace JeDi.Tests.Cuda;

/// <summary>Memory, queues and recorded steps on a GPU or the simulator.</summary>
[Category("Target")]
public sealed class CudaDeviceTests
{
    CudaDevice device = null!;
    Arena arena = null!;
    Ops ops = null!;

    [SetUp]
    public void Open()
    {
        if (Targets.OnCpu)
        {
            Assert.Ignore($"{Targets.Variable} is cpu");
        }

        device = Targets.Cuda(DType.F32);
        arena = new Arena(device);
        ops = new Ops(device, arena);
    }

    [TearDown]
    public void Shut() => device?.Dispose();

    /// <summary>Copies of all sizes, over both halves of the staging memory, arrive in order.</summary>
    [Test]
    public void WhatIsWrittenIsRead()
    {
        foreach (int count in new[] { 1, 63, 4096, 2_500_000, 5_000_001 })
        {
            float[] values = new float[count];
            for (int i = 0; i < count; i++)
            {
                values[i] = i * 0.5f;
            }

            Assert.That(device.ToArray(ops.From<float>([count], values)), Is.EqualTo(values));
        }
    }

    [Test]
    public void ManySmallWritesKeepTheirOrder()
    {
        Tensor y = ops.New([2]);
        for (int i = 0; i < 100; i++)
        {
            device.Write<float>(y, [i, -i]);
        }

        Assert.That(device.ToArray(y), Is.EqualTo(new float[] { 99, -99 }));
    }

    /// <summary>The second run captures, later ones replay; all give the bits of plain calls, and read what changed in memory.</summary>
    [Test]
    public void AReplayIsThePlainStep()
    {
        Tensor x = ops.From<float>([1000], Values(1000));
        Tensor c = ops.From<float>([2], [0.3f, 1.7f]);
        Tensor y = ops.New([1000]);
        Tensor z = ops.New([1000]);
        void Step()
        {
            ops.Combine(y, c, x, x);
            ops.Add(y, x, into: z);
        }

        Step();
        float[] plain = device.ToArray(z);
        using Replay replay = device.Record(Step);
        for (int run = 0; run < 4; run++)
        {
            device.Fill(z, 0xFF);
            replay.Run();
            Close.SameBits(device.ToArray(z), plain, $"run {run}");
        }

        device.Write<float>(c, [1, 0]);
        replay.Run();
        Assert.That(device.ToArray(y), Is.EqualTo(device.ToArray(x)), "coefficients are read from memory");
    }

    /// <summary>What a graph cannot hold fails where it stands, and the device goes on afterwards.</summary>
    [Test]
    public void CaptureRefusesWhatItCannotHold()
    {
        Tensor x = ops.From<float>([4], [1, 2, 3, 4]);
        Tensor y = ops.New([4]);
        Action[] bad =
        [
            () => device.Allocate(64),
            () => device.Synchronize(),
            () => device.Write<float>(y, [1, 2, 3, 4]),
            () => device.ToArray(x),
        ];
        foreach (Action action in bad)
        {
            using Replay replay = device.Record(() =>
            {
                ops.Copy(y, x);
                action();
            });
            replay.Run();
            Assert.That(replay.Run, Throws.InvalidOperationException.With.Message.Contains("cannot be recorded"));
        }

        ops.Copy(y, x);
        Assert.That(device.ToArray(y), Is.EqualTo(new float[] { 1, 2, 3, 4 }));
    }

    [Test]
    public void AReplayAllocatesNothing()
    {
        Tensor x = ops.From<float>([64, 64], Values(64 * 64));
        Tensor y = ops.New([64, 64]);
        using Replay replay = device.Record(() => ops.Add(x, x, into: y));
        replay.Run();
        replay.Run();
        replay.Run();
        long device0 = device.Allocations;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
        {
            replay.Run();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - managed, Is.Zero);
        Assert.That(device.Allocations, Is.EqualTo(device0));
    }

    /// <summary>Sessions have queues of their own on shared weights.</summary>
    [Test]
    public void QueuesShareMemory()
    {
        Tensor x = ops.From<float>([1000], Values(1000));
        using Device other = device.ForSession();
        var theirs = new Arena(other);
        Tensor y = new Ops(other, theirs).Add(x, x);
        Assert.That(other.ToArray(y), Is.EqualTo(device.ToArray(x).Select(value => 2 * value)));
    }

    [Test]
    public void MemoryThatIsNotThereIsSaidSo() => Assert.That(
        () => device.Allocate(1L << 50),
        Throws.TypeOf<OutOfDeviceMemoryException>().With.Message.Contains("needed"));

    [Test]
    public void AGpuThatIsNotThereIsSaidSo() => Assert.That(
        () => new CudaDevice(4096),
        Throws.TypeOf<CudaException>().With.Message.Contains("cuda:4096"));

    static float[] Values(int count) => [.. Enumerable.Range(0, count).Select(i => MathF.Sin(i))];
}
