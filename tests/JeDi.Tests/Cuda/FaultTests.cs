using JeDi.Cuda;
using JeDi.Tensors;

namespace JeDi.Tests.Cuda;

/// <summary>
/// After a fault nothing on a GPU can be trusted: it ends with one line, for all its queues; other GPUs and the process go on. On the
/// simulator there are two (JEDISIM_DEVICES=2), and the second one dies.
/// </summary>
[Category("Target")]
public sealed class FaultTests
{
    const int Victim = 1;

    [SetUp]
    public void NeedsTwoDevices()
    {
        if (Targets.OnCpu)
        {
            Assert.Ignore($"{Targets.Variable} is cpu");
        }

        using CudaDevice first = Targets.Cuda(DType.F32);
        if (CudaInfo.All().Count < 2)
        {
            Assert.Ignore("there is one GPU; the simulator has two with JEDISIM_DEVICES=2");
        }
    }

    [Test]
    public void AFaultEndsItsDeviceAlone()
    {
        using CudaDevice other = Targets.Cuda(DType.F32);
        var broken = new CudaDevice(Victim, DType.F32);
        Device session = broken.ForSession();
        string message = Fault(broken).Message;
        Assert.That(message, Does.StartWith($"cuda:{Victim} (").And.Contain("ended: ").And.Not.Contain("\n"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(session.Synchronize, Throws.TypeOf<CudaException>().With.Message.EqualTo(message));
            Assert.That(() => session.Allocate(64), Throws.TypeOf<CudaException>().With.Message.EqualTo(message));
            Assert.That(() => broken.ForSession(), Throws.TypeOf<CudaException>().With.Message.EqualTo(message));
        }

        Assert.That(Twice(other), Is.EqualTo(new float[] { 2, 4 }), "the other GPU goes on");
        session.Dispose();
        broken.Dispose();
        using var again = new CudaDevice(Victim, DType.F32);
        Assert.That(Twice(again), Is.EqualTo(new float[] { 2, 4 }), "whoever opens the GPU anew can use it");
    }

    /// <summary>A session's request ends with that line; the engine can be disposed and loaded anew.</summary>
    [Test]
    public async Task ASessionEndsWithOneLine()
    {
        using (JeDiEngine engine = Load())
        {
            using JeDiSession session = engine.Prepare(new SessionShape(0, 1, 64, 64, Steps: 1));
            Assert.That((await session.GenerateAsync(Request)).Images, Has.Count.EqualTo(1));
            using (var beside = new CudaDevice(Victim, DType.F32))
            {
                Fault(beside);
            }

            CudaException error = (await Assert.ThrowsAsync<CudaException>(() => session.GenerateAsync(Request)))!;
            Assert.That(error.Message, Does.StartWith($"cuda:{Victim} (").And.Not.Contain("\n"));
        }

        using JeDiEngine fresh = Load();
        using JeDiSession works = fresh.Prepare(new SessionShape(0, 1, 64, 64, Steps: 1));
        Assert.That((await works.GenerateAsync(Request)).Images, Has.Count.EqualTo(1));
    }

    static JeDiRequest Request => new() { Prompts = [new Prompt("a red apple")] };

    static JeDiEngine Load() => JeDiEngine.Load(Repository.Find("tests/trial/tiny-jedi"), new EngineOptions { Device = $"cuda:{Victim}" });

    /// <summary>A kernel that reads memory which was given back.</summary>
    static CudaException Fault(CudaDevice device)
    {
        var arena = new Arena(device);
        DeviceMemory gone = device.Allocate(1 << 20);
        var x = new Tensor(gone, 0, [1 << 18], DType.F32);
        Tensor y = arena.New([1 << 18], DType.F16);
        device.Free(gone);
        return Assert.Throws<CudaException>(() =>
        {
            device.Kernels.Copy(y, x);
            device.Synchronize();
        })!;
    }

    static float[] Twice(Device device)
    {
        var ops = new Ops(device, new Arena(device));
        Tensor x = ops.From<float>([2], [1, 2]);
        return device.ToArray(ops.Add(x, x));
    }
}
