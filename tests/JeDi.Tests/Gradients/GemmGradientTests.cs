using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

public sealed class GemmGradientTests
{
    /// <summary>What a gradient's error may be, times that of a plain loop.</summary>
    const double Factor = 3;

    /// <summary>One, primes, one over each tile, sums of several stretches, a row pitch of 512 floats.</summary>
    static readonly (int M, int N, int K)[] sizes =
        [(1, 1, 1), (1, 37, 5), (7, 3, 11), (15, 33, 17), (389, 97, 29), (13, 512, 64), (600, 14, 32), (5, 40, 1300)];

    static IEnumerable<object[]> Sizes() => OpRun.Levels.SelectMany(level => sizes.Select(s => new object[] { level, s.M, s.N, s.K }));

    static IEnumerable<object[]> Activations() =>
        OpRun.Levels.SelectMany(level => Enum.GetValues<Activation>().Select(activation => new object[] { level, activation }));

    [TestCaseSource(nameof(Sizes))]
    public void EqualsFloat64(SimdLevel level, int m, int n, int k) => Check(level, m, n, k, Activation.None, 1);

    [TestCaseSource(nameof(Activations))]
    public void OfEachActivationEqualsFloat64(SimdLevel level, Activation activation)
    {
        foreach ((int m, int n, int k) in new[] { (17, 74, 23), (30, 2, 7), (64, 96, 40) })
        {
            Check(level, m, n, k, activation, 3);
        }
    }

    /// <summary>Everything adds to what is there: the sum begins with it.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void AddsToWhatIsThere(SimdLevel level)
    {
        (int m, int n, int k) = (33, 45, 67);
        using CpuDevice device = OpRun.Cpu(level);
        float[] x = Plain.Random(m * k, 1);
        float[] w = Plain.Random(n * k, 2);
        float[] dy = Plain.Random(m * n, 4);
        const float Start = 0.5f;
        ProductGradients actual = GradientRun.Gemm(device, x, w, new float[n], dy, [m], n, k, Activation.None, Start);
        var exact = PlainGradients.Gemm<double>(x, w, new float[n], dy, m, n, k, Activation.None);
        var plain = PlainGradients.Gemm<float>(x, w, new float[n], dy, m, n, k, Activation.None);
        Close.LikePlain(actual.Dx, More(exact.Dx), MoreSingle(plain.Dx), "dx", Factor);
        Close.LikePlain(actual.Dw, More(exact.Dw), MoreSingle(plain.Dw), "dw", Factor);
        Close.LikePlain(actual.Dbias, More(exact.Dbias), MoreSingle(plain.Dbias), "dbias", Factor);

        static double[] More(double[] values) => [.. values.Select(value => value + Start)];
        static float[] MoreSingle(float[] values) => [.. values.Select(value => value + Start)];
    }

    /// <summary>Four images at once, one by one, on one to three threads: the same bits.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void BitsDependNeitherOnThreadsNorOnHowImagesAreGrouped(SimdLevel level)
    {
        (int tokens, int n, int k) = (77, 130, 70);
        Shape rows = [4, tokens];
        float[] x = Plain.Random(4 * tokens * k, 1);
        float[] w = Plain.Random(n * k, 2);
        float[] bias = Plain.Random(n, 3);
        float[] dy = Plain.Random(4 * tokens * n, 4);
        using CpuDevice one = OpRun.Cpu(level, threads: 1);
        ProductGradients expected = GradientRun.Gemm(one, x, w, bias, dy, rows, n, k, Activation.Silu);
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using CpuDevice device = OpRun.Cpu(level, threads);
            foreach (int calls in new[] { 1, 2, 4 })
            {
                ProductGradients actual = GradientRun.Gemm(device, x, w, bias, dy, rows, n, k, Activation.Silu, calls: calls);
                Close.SameBits(actual.Dx, expected.Dx, $"dx, {threads} threads, {calls} calls");
                Close.SameBits(actual.Dw, expected.Dw, $"dw, {threads} threads, {calls} calls");
                Close.SameBits(actual.Dbias, expected.Dbias, $"dbias, {threads} threads, {calls} calls");
            }
        }
    }

    /// <summary>What the forward operation saves is the sum before the activation, and its result has the same bits.</summary>
    [TestCaseSource(nameof(Activations))]
    public void ForwardSavesItsPreActivation(SimdLevel level, Activation activation)
    {
        (int m, int n, int k) = (19, 70, 33);
        using CpuDevice device = OpRun.Cpu(level);
        float[] x = Plain.Random(m * k, 1);
        float[] w = Plain.Random(n * k, 2);
        float[] bias = Plain.Random(n, 3);
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        int columns = activation == Activation.Geglu ? n / 2 : n;
        ParameterKind kind = activation == Activation.Geglu ? ParameterKind.GegluMatrix : ParameterKind.Matrix;
        Tensor y = ops.New([m, columns]);
        Tensor pre = ops.New([m, n]);
        Parameter matrix = device.LoadFloats(kind, [n, k], w);
        Parameter vector = device.LoadFloats(ParameterKind.Vector, [n], bias);
        device.Kernels.Gemm(y, ops.From<float>([m, k], x), matrix, vector, default, activation, pre);
        Close.SameBits(device.ToArray(y), OpRun.Gemm(device, x, w, bias, null, m, n, k, activation), "y");
        Close.LikePlain(
            device.ToArray(pre),
            Plain.Gemm<double>(x, w, bias, null, m, n, k, Activation.None),
            Plain.Gemm<float>(x, w, bias, null, m, n, k, Activation.None),
            "pre-activation");
        arena.Release();
    }

    /// <summary>A weight that is not trained may stand in panels alone, of two bytes a number: the same bits as its plain value.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void PanelsAloneGiveTheBitsOfTheValue(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach (ParameterKind kind in new[] { ParameterKind.Matrix, ParameterKind.GegluMatrix })
        {
            (int m, int n, int k) = (9, 78, 83);
            Half[] halves = [.. Plain.Random(n * k, 2).Select(value => (Half)value)];
            var arena = new Arena(device);
            var ops = new Ops(device, arena);
            Parameter value = GradientRun.Weight(ops, kind, [n, k], [.. halves.Select(half => (float)half)]);
            Parameter panels = device.Load("w", kind, [n, k], DType.F16, MemoryMarshal.AsBytes<Half>(halves));
            Tensor dy = ops.From<float>([m, n], Plain.Random(m * n, 3));
            Tensor x = ops.New([m, k]);
            Close.SameBits(Dx(panels), Dx(value), kind.ToString());
            arena.Release();

            float[] Dx(Parameter w)
            {
                device.Gradients.Gemm(x, default, default, dy, default, w, default, Activation.None, false);
                return device.ToArray(x);
            }
        }
    }

    static void Check(SimdLevel level, int m, int n, int k, Activation activation, float scale)
    {
        using CpuDevice device = OpRun.Cpu(level);
        float[] x = [.. Plain.Random(m * k, 1).Select(value => scale * value)];
        float[] w = Plain.Random(n * k, 2);
        float[] bias = Plain.Random(n, 3);
        float[] dy = Plain.Random(m * (activation == Activation.Geglu ? n / 2 : n), 4);
        ProductGradients actual = GradientRun.Gemm(device, x, w, bias, dy, [m], n, k, activation);
        var exact = PlainGradients.Gemm<double>(x, w, bias, dy, m, n, k, activation);
        var plain = PlainGradients.Gemm<float>(x, w, bias, dy, m, n, k, activation);
        Close.LikePlain(actual.Dx, exact.Dx, plain.Dx, "dx", Factor);
        Close.LikePlain(actual.Dw, exact.Dw, plain.Dw, "dw", Factor);
        Close.LikePlain(actual.Dbias, exact.Dbias, plain.Dbias, "dbias", Factor);
    }
}
