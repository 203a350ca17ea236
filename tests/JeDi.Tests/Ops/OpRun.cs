using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;

namespace JeDi.Tests.Operations;

/// <summary>Runs one operation on host arrays.</summary>
static class OpRun
{
    /// <summary>Every SIMD level there is, widest first; none where the process tests another device.</summary>
    public static IEnumerable<SimdLevel> Levels => Targets.OnCpu ? Enum.GetValues<SimdLevel>().Reverse() : [];

    /// <summary>A CPU device at a level; where the processor lacks it, the running test is ignored by name.</summary>
    public static CpuDevice Cpu(SimdLevel level, int threads = 2, bool winograd = true, long keptFilterBytes = 0)
    {
        if (!SimdLevels.Supports(level))
        {
            Assert.Ignore($"this processor has no {level}");
        }

        return new CpuDevice(threads, level, winograd, keptFilterBytes);
    }

    /// <summary>A device of a target, for tests that hand it F32 tensors.</summary>
    public static Device Make(string target, int threads = 2, bool winograd = true) => Targets.MakeForFloats(target, threads, winograd);

    /// <summary>The values of what <paramref name="compute"/> makes in an arena of its own.</summary>
    public static float[] Run(Device device, Func<Ops, Tensor> compute)
    {
        var arena = new Arena(device);
        float[] result = device.ToArray(compute(new Ops(device, arena)));
        arena.Release();
        return result;
    }

    public static float[] Gemm(
        Device device, float[] x, float[] w, float[]? bias, float[]? residual, int m, int n, int k, Activation activation = Activation.None)
    {
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        ParameterKind kind = activation == Activation.Geglu ? ParameterKind.GegluMatrix : ParameterKind.Matrix;
        Tensor y = ops.Linear(
            ops.From<float>([m, k], x),
            device.Load("w", kind, [n, k], DType.F32, MemoryMarshal.AsBytes<float>(w)),
            Vector(device, bias),
            residual is null ? default : ops.From<float>([m, residual.Length / m], residual),
            activation);
        float[] result = device.ToArray(y);
        arena.Release();
        return result;
    }

    public static float[] Conv2d(
        Device device,
        float[] x,
        float[] filter,
        float[]? bias,
        float[]? rowBias,
        float[]? residual,
        Shape input,
        int o,
        int kernel,
        ConvGeometry geometry,
        bool relu = false)
    {
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Parameter w = device.Load("w", ParameterKind.Convolution, [o, kernel, kernel, input[3]], DType.F32,
            MemoryMarshal.AsBytes<float>(filter));
        Shape output = [input[0], geometry.OutputSize(input[1], kernel), geometry.OutputSize(input[2], kernel), o];
        Tensor y = ops.Conv2d(
            ops.From<float>(input, x),
            w,
            Vector(device, bias),
            rowBias is null ? default : ops.From<float>([input[0], o], rowBias),
            residual is null ? default : ops.From<float>(output, residual),
            geometry,
            relu: relu);
        float[] result = device.ToArray(y);
        arena.Release();
        return result;
    }

    static Parameter? Vector(Device device, float[]? values) => values is null
        ? null
        : device.Load("bias", ParameterKind.Vector, [values.Length], DType.F32, MemoryMarshal.AsBytes<float>(values));
}
