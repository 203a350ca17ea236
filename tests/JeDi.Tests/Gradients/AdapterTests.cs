using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

/// <summary>
/// A frozen two-byte weight with a low-rank change beside it, against the dense weight w + scale up down in double precision. The numbers
/// are small multiples of powers of two, so that the dense weight is exact in single precision.
/// </summary>
public sealed class AdapterTests
{
    const int Rank = 3;
    const float Scale = 0.5f;

    /// <summary>What an error may be, times that of a plain loop.</summary>
    const double Factor = 3;

    static IEnumerable<object[]> Activations() =>
        OpRun.Levels.SelectMany(level => Enum.GetValues<Activation>().Select(activation => new object[] { level, activation }));

    static IEnumerable<object[]> Geometries() => OpRun.Levels.SelectMany(level => new[]
    {
        new object[] { level, 3, new ConvGeometry(1) },
        [level, 3, new ConvGeometry(2)],
        [level, 3, new ConvGeometry(Upsample: true)],
        [level, 1, new ConvGeometry(1)],
    });

    [TestCaseSource(nameof(Activations))]
    public void ALinearLayerEqualsFloat64(SimdLevel level, Activation activation)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach ((int m, int n, int k) in new[] { (17, 74, 23), (30, 2, 7), (64, 96, 40) })
        {
            ParameterKind kind = activation == Activation.Geglu ? ParameterKind.GegluMatrix : ParameterKind.Matrix;
            using var layer = new Adapted(device, kind, [n, k]);
            int columns = activation == Activation.Geglu ? n / 2 : n;
            float[] x = Plain.Random(m * k, 1);
            float[] bias = Plain.Random(n, 3);
            float[] dy = Plain.Random(m * columns, 4);
            float[] before = Plain.Random(m * columns, 5);
            Parameter vector = device.LoadFloats(ParameterKind.Vector, [n], bias);
            Result actual = layer.Run(x, [m, k], dy, [m, columns], before, (ops, input, residual) =>
                ops.Linear(input, layer.Weight, vector, residual, activation));

            Close.LikePlain(
                actual.Y,
                Plain.Gemm<double>(x, layer.Dense, bias, before, m, n, k, activation),
                Plain.Gemm<float>(x, layer.Dense, bias, before, m, n, k, activation),
                "y",
                Factor);
            var exact = PlainGradients.Gemm<double>(x, layer.Dense, bias, dy, m, n, k, activation);
            var plain = PlainGradients.Gemm<float>(x, layer.Dense, bias, dy, m, n, k, activation);
            Close.LikePlain(actual.Dx, exact.Dx, plain.Dx, "dx", Factor);
            layer.Check(actual, exact.Dw, plain.Dw);
            Close.SameBits(actual.DResidual, dy, "gradient of the residual");
        }
    }

    [TestCaseSource(nameof(Geometries))]
    public void AConvolutionEqualsFloat64(SimdLevel level, int kernel, ConvGeometry geometry)
    {
        using CpuDevice device = OpRun.Cpu(level);
        Shape input = [2, 18, 16, 32];
        const int Outputs = 48;
        using var layer = new Adapted(device, ParameterKind.Convolution, [Outputs, kernel, kernel, input[3]]);
        Shape output = GradientRun.Output(input, Outputs, kernel, geometry);
        float[] x = Plain.Random((int)input.Count, 1);
        float[] dy = Plain.Random((int)output.Count, 2);
        float[] before = Plain.Random((int)output.Count, 3);
        Result actual = layer.Run(x, input, dy, output, before, (ops, pixels, residual) =>
            ops.Conv2d(pixels, layer.Weight, residual: residual, geometry: geometry));

        // The dense filter by the forward operation of its own tests.
        float[] expected = OpRun.Conv2d(device, x, layer.Dense, null, null, null, input, Outputs, kernel, geometry);
        Close.Within(actual.Y, [.. expected.Select((value, i) => value + before[i])], OfTwoRuns, "y");
        var exact = PlainGradients.Conv2d<double>(x, layer.Dense, dy, input, Outputs, kernel, geometry);
        var plain = PlainGradients.Conv2d<float>(x, layer.Dense, dy, input, Outputs, kernel, geometry);
        Close.LikePlain(actual.Dx, exact.Dx, plain.Dx, "dx", Winograd * Factor);
        layer.Check(actual, exact.Dw, plain.Dw);
        Close.SameBits(actual.DResidual, dy, "gradient of the residual");
    }

    /// <summary>Four images at once and one by one: the same bits, in the parameters' gradients, too.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void BitsDependNeitherOnThreadsNorOnHowImagesAreGrouped(SimdLevel level)
    {
        (int images, int tokens, int n, int k) = (4, 33, 70, 45);
        float[] x = Plain.Random(images * tokens * k, 1);
        float[] dy = Plain.Random(images * tokens * n, 4);
        Result? expected = null;
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using CpuDevice device = OpRun.Cpu(level, threads);
            using var together = new Adapted(device, ParameterKind.Matrix, [n, k]);
            Result one = together.Run(x, [images, tokens, k], dy, [1], [], (ops, input, _) => ops.Linear(input, together.Weight));
            expected ??= one;
            using var apart = new Adapted(device, ParameterKind.Matrix, [n, k]);
            Result last = one;
            for (int image = 0; image < images; image++)
            {
                last = apart.Run(
                    x[(image * tokens * k)..((image + 1) * tokens * k)], [1, tokens, k],
                    dy[(image * tokens * n)..((image + 1) * tokens * n)], [1], [], (ops, input, _) => ops.Linear(input, apart.Weight));
                Close.SameBits(last.Dx, one.Dx.AsSpan(image * tokens * k, tokens * k), $"dx of image {image}");
            }

            Close.SameBits(one.Dx, expected.Dx, "dx");
            Close.SameBits(one.Dup, expected.Dup, "dup");
            Close.SameBits(last.Dup, expected.Dup, "dup, one by one");
            Close.SameBits(last.Ddown, expected.Ddown, "ddown, one by one");
        }
    }

    const double Winograd = 4;

    /// <summary>Sums of 9 x 32 terms in two orders: each off by at most their number times half a last place of their size.</summary>
    const double OfTwoRuns = 9 * 32 * 6e-8;

    sealed record Result(float[] Y, float[] Dx, float[] DResidual, float[] Dup, float[] Ddown);

    sealed class Adapted : IDisposable
    {
        readonly Device device;
        readonly FlatParameters flat;
        readonly Tensor scale;
        readonly Arena arena;
        readonly float[] up;
        readonly float[] down;

        public Adapted(Device device, ParameterKind kind, Shape shape)
        {
            this.device = device;
            int rows = shape[0];
            int columns = (int)(shape.Count / rows);
            Half[] halves = [.. Steps(rows * columns, 2, 32, 1.0 / 64).Select(value => (Half)value)];
            up = Steps(rows * Rank, 7, 2, 0.5);
            down = Steps(Rank * columns, 8, 2, 0.5);
            Dense = [.. Enumerable.Range(0, rows * columns).Select(i => (float)halves[i] + Scale
                * Enumerable.Range(0, Rank).Sum(r => up[i / columns * Rank + r] * down[r * columns + i % columns]))];
            Weight = device.Load("w", kind, shape, DType.F16, MemoryMarshal.AsBytes<Half>(halves));
            (Shape downShape, Shape upShape) = Adapter.Shapes(Weight, Rank);
            ParameterKind downKind = kind == ParameterKind.Convolution ? kind : ParameterKind.Matrix;
            flat = new FlatParameters(device, [new("down", downKind, downShape), new("up", ParameterKind.Matrix, upShape)]);
            arena = new Arena(device);
            scale = new Ops(device, arena).From<float>([1], [Scale]);
            device.Write<float>(Down.Value, down);
            device.Write<float>(Up.Value, up);
            Weight.Adapter = new Adapter(Weight, Down, Up, scale);
        }

        public Parameter Weight { get; }

        public float[] Dense { get; }

        Parameter Down => flat.Parameters[0];

        Parameter Up => flat.Parameters[1];

        public Result Run(
            float[] x, Shape input, float[] dy, Shape output, float[] before, Func<Ops, Tensor, Tensor, Tensor> layer)
        {
            // Input and residual have gradients, so they stand as parameters.
            var leaves = new FlatParameters(device, [new("x", ParameterKind.Plain, input), new("r", ParameterKind.Plain, output)]);
            device.Write<float>(leaves.Parameters[0].Value, x);
            if (before.Length > 0)
            {
                device.Write<float>(leaves.Parameters[1].Value, before);
            }

            var tape = new Tape(device, [.. flat.Parameters, .. leaves.Parameters]);
            var ops = new Ops(device, arena, tape: tape);
            Tensor residual = before.Length > 0 ? leaves.Parameters[1].Value : default;
            Tensor y = layer(ops, leaves.Parameters[0].Value, residual);
            float[] without = Plainly(layer, leaves.Parameters[0].Value, residual);
            Close.SameBits(device.ToArray(y), without, "with and without a tape");

            Tensor gradient = ops.From<float>(y.Shape, dy);
            Tensor taken = tape.TakeSum(y);
            tape.Run(() => tape.Gradients.Add(taken, default, gradient, add: true));
            tape.Backward();
            Assert.That(Weight.Gradient.Exists || Weight.Value.Exists, Is.False, "the weight stays in its panels, without a gradient");
            var result = new Result(
                without, device.ToArray(leaves.Parameters[0].Gradient), device.ToArray(leaves.Parameters[1].Gradient),
                device.ToArray(Up.Gradient), device.ToArray(Down.Gradient));
            tape.Release();
            leaves.Free();
            return result;
        }

        /// <summary>dup = scale dW down^T and ddown = scale up^T dW of the gradient of the dense weight.</summary>
        public void Check(Result actual, double[] exact, float[] plain)
        {
            int rows = Weight.Shape[0];
            int columns = exact.Length / rows;
            var dup = new double[rows * Rank];
            var dupPlain = new float[rows * Rank];
            var ddown = new double[Rank * columns];
            var ddownPlain = new float[Rank * columns];
            for (int i = 0; i < exact.Length; i++)
            {
                for (int r = 0; r < Rank; r++)
                {
                    (int u, int d) = (i / columns * Rank + r, r * columns + i % columns);
                    dup[u] += Scale * exact[i] * down[d];
                    dupPlain[u] += Scale * plain[i] * down[d];
                    ddown[d] += Scale * exact[i] * up[u];
                    ddownPlain[d] += Scale * plain[i] * up[u];
                }
            }

            Close.LikePlain(actual.Dup, dup, dupPlain, "dup", Factor);
            Close.LikePlain(actual.Ddown, ddown, ddownPlain, "ddown", Factor);
        }

        public void Dispose()
        {
            arena.Release();
            flat.Free();
        }

        float[] Plainly(Func<Ops, Tensor, Tensor, Tensor> layer, Tensor x, Tensor residual)
        {
            using ArenaScope scope = arena.Scope();
            return device.ToArray(layer(new Ops(device, arena), x, residual));
        }

        /// <summary>Multiples of <paramref name="step"/>, at most <paramref name="most"/> steps from 0.</summary>
        static float[] Steps(int count, int seed, int most, double step) =>
            [.. Plain.Random(count, seed).Select(value => (float)(Math.Clamp(Math.Round(value * most), -most, most) * step))];
    }
}
