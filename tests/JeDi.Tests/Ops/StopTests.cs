using System.Diagnostics;
using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tensors.Decorators;

namespace JeDi.Tests.Operations;

/// <summary>A stop ends an operation that would take long, and the next one on the device is right.</summary>
public sealed class StopTests
{
    /// <summary>Queries and keys that take a processor many seconds.</summary>
    const int Long = 1 << 17;

    const int Width = 64;

    static readonly TimeSpan longest = TimeSpan.FromSeconds(3);

    [Test]
    public void EndsASingleAttention() => Ends((ops, small) =>
    {
        Tensor x = Input(ops, [1, small ? 40 : Long, Width], small);
        return () => ops.Attention(x, x, x, heads: 1);
    });

    [Test]
    public void EndsASingleConvolution([Values] bool winograd) => Ends(
        (ops, small) =>
        {
            const int Inputs = 128;
            const int Outputs = 512;
            int size = small ? 24 : 512;
            Tensor x = Input(ops, [1, size, size, Inputs], small);
            float[] filter = Plain.Random(Outputs * 9 * Inputs, 2);
            Parameter w = ops.Device.Load(
                "w", ParameterKind.Convolution, [Outputs, 3, 3, Inputs], DType.F32, MemoryMarshal.AsBytes<float>(filter));
            return () => ops.Conv2d(x, w);
        },
        winograd);

    static Tensor Input(Ops ops, Shape shape, bool small)
    {
        Tensor x = ops.New(shape);
        if (small)
        {
            ops.Device.Write<float>(x, Plain.Random((int)shape.Count, 1));
        }
        else
        {
            ops.Device.Fill(x, 0);
        }

        return x;
    }

    static void Ends(Func<Ops, bool, Func<Tensor>> prepare, bool winograd = true)
    {
        using var device = new CpuDevice(2, winograd: winograd);
        var kernels = new StoppableKernels(device.Kernels);
        var arena = new Arena(device);
        var ops = new Ops(device, arena, kernels);
        float[] expected = device.ToArray(prepare(ops, true)());
        Func<Tensor> run = prepare(ops, false);
        var time = new Stopwatch();
        using var stopper = new Timer(_ =>
        {
            time.Start();
            kernels.Stop();
        });
        using (kernels.Flag.Enter())
        {
            stopper.Change(TimeSpan.FromSeconds(0.3), Timeout.InfiniteTimeSpan);
            Assert.That(() => run(), Throws.InstanceOf<OperationCanceledException>());
        }

        Assert.That(time.Elapsed, Is.GreaterThan(TimeSpan.Zero).And.LessThan(longest), "the operation ended by itself, or went on");
        kernels.Resume();
        Assert.That(device.ToArray(prepare(ops, true)()), Is.EqualTo(expected));
        arena.Release();
    }
}
