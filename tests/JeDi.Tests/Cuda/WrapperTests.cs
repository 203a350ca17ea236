using JeDi.Cuda;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Cuda;

/// <summary>
/// Every function of <c>kernels/lib</c> alone, on the GPU or the simulator, against plain results: what is wrong here makes every kernel
/// wrong, and the layouts of tensor cores are known from a manual alone until a GPU has run this.
/// </summary>
[Category("Target")]
public sealed class WrapperTests
{
    static readonly float[] special =
        [0, -0f, 1, -1, 65504, 65520, 1e5f, -1e9f, 6e-8f, 2.9e-8f, 3e-8f, 6.1e-5f, 1.0009766f, 1.00048828125f, 1.00146484375f,
         float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.Epsilon, 3.3895314e38f, 1.00390625f, 1.01171875f];

    static IEnumerable<string> Names => ["F16", "BF16"];

    /// <summary>Name, number in the source, exact function, from, to, relative error that lib/math.cuh states, absolute floor.</summary>
    static readonly (string Name, Func<double, double> Exact, double From, double To, double Relative, double Absolute)[] functions =
    [
        ("exp2_fast", x => Math.Pow(2, x), -120, 120, Bits(22), 0),
        ("exp_fast", Math.Exp, -9, 9, Bits(20), 0),
        ("reciprocal", x => 1 / x, 1e-3, 1e3, Bits(23), 0),
        ("inverse_root", x => 1 / Math.Sqrt(x), 1e-3, 1e3, Bits(22), 0),
        ("log2_fast", Math.Log2, 1e-3, 1e3, Bits(22), Bits(22)),
        ("sigmoid", x => 1 / (1 + Math.Exp(-x)), -10, 10, 2 * Bits(20), 0),
        ("silu", x => x / (1 + Math.Exp(-x)), -10, 10, 2 * Bits(20), 0),
        ("quick_gelu", x => x / (1 + Math.Exp(-1.702 * x)), -5, 5, 2 * Bits(20), 0),
        ("gelu", Gelu, -4, 4, 0, Bits(21)),
        ("to_tf32", x => x, -1e3, 1e3, Bits(11), 0),
        ("split_tf32", x => x, -1e3, 1e3, Bits(22), 0),
    ];

    [SetUp]
    public void NeedsADevice()
    {
        if (Targets.OnCpu)
        {
            Assert.Ignore($"{Targets.Variable} is cpu");
        }
    }

    /// <summary>All 65536 values widen exactly.</summary>
    [TestCaseSource(nameof(Names))]
    public void EveryValueWidens(string name)
    {
        DType type = Enum.Parse<DType>(name);
        using var run = new WrapperRun(type);
        ushort[] x = [.. Enumerable.Range(0, 1 << 16).Select(bits => (ushort)bits)];
        var y = new float[x.Length];
        run.Run("widen", y, x, new int[1], x.Length, 256);
        for (int i = 0; i < x.Length; i++)
        {
            float exact = type == DType.F16
                ? (float)BitConverter.UInt16BitsToHalf(x[i])
                : BitConverter.UInt32BitsToSingle((uint)x[i] << 16);
            Assert.That(y[i], float.IsNaN(exact) ? Is.NaN : Is.EqualTo(exact), $"{x[i]:X4}");
        }
    }

    /// <summary>Ties go to even, what is too large becomes infinite, small numbers stay; pairs have the first one below.</summary>
    [TestCaseSource(nameof(Names))]
    public void NarrowingRoundsToNearest(string name)
    {
        DType type = Enum.Parse<DType>(name);
        using var run = new WrapperRun(type);
        var random = new Random(3);
        float[] x = [.. special, .. Enumerable.Range(0, 4074).Select(i => (float)((random.NextDouble() - 0.5) * Math.Pow(2, i % 40 - 24)))];
        var y = new ushort[x.Length];
        run.Run("narrow", y, x, new int[1], x.Length, 256);
        var pairs = new ushort[x.Length];
        var back = new float[x.Length];
        run.Run("pairs", pairs, x, back, x.Length, 256);
        for (int i = 0; i < x.Length; i++)
        {
            float exact = Rounding.To(type, x[i]);
            ushort bits = type == DType.F16
                ? BitConverter.HalfToUInt16Bits((Half)exact)
                : (ushort)(BitConverter.SingleToUInt32Bits(exact) >> 16);
            Assert.That((y[i], pairs[i], back[i]), Is.EqualTo((bits, bits, exact)), $"{x[i]:R}");
        }
    }

    static IEnumerable<int> Functions => Enumerable.Range(0, functions.Length);

    /// <summary>Within the error that the header states.</summary>
    [TestCaseSource(nameof(Functions))]
    public void FunctionIsAsExactAsStated(int number)
    {
        (string name, Func<double, double> exact, double from, double to, double relative, double absolute) = functions[number];
        using var run = new WrapperRun(DType.F32);
        float[] x = [.. Enumerable.Range(0, 4096).Select(i => (float)(from + (to - from) * (i + 0.37) / 4096))];
        var y = new float[x.Length];
        run.Run("function", y, x, new int[1], x.Length, 256, number);
        for (int i = 0; i < x.Length; i++)
        {
            double wanted = exact(x[i]);
            Assert.That(y[i], Is.EqualTo(wanted).Within(relative * Math.Abs(wanted) + absolute), $"{name}({x[i]:R})");
        }
    }

    /// <summary>The activations of products are those functions.</summary>
    [TestCase(11, 6)]
    [TestCase(12, 8)]
    [TestCase(13, 7)]
    public void ActivationIsItsFunction(int activation, int function)
    {
        using var run = new WrapperRun(DType.F32);
        float[] x = [.. Enumerable.Range(-400, 801).Select(i => i / 50f)];
        var y = new float[x.Length];
        var z = new float[x.Length];
        run.Run("function", y, x, new int[1], x.Length, 256, activation);
        run.Run("function", z, x, new int[1], x.Length, 256, function);
        Assert.That(y, Is.EqualTo(z));
    }

    /// <summary>Small integers multiply exactly, so that a fragment in a wrong place shows.</summary>
    [TestCase("product16", 16, "F16")]
    [TestCase("product16", 16, "BF16")]
    [TestCase("product8", 8, "F16")]
    [TestCase("product8", 8, "BF16")]
    [TestCase("product_tf32", 8, "F32")]
    public void TensorCoresMultiply(string entry, int depth, string name)
    {
        DType type = Enum.Parse<DType>(name);
        using var run = new WrapperRun(type);
        var random = new Random(depth);
        float[] x = [.. Enumerable.Range(0, 16 * depth).Select(_ => (float)random.Next(-8, 9))];
        float[] w = [.. Enumerable.Range(0, depth * 8).Select(_ => (float)random.Next(-8, 9))];
        float[] y = [.. Enumerable.Range(0, 128).Select(i => (float)i)];
        float[] exact = [.. y.Select((start, at) =>
            start + Enumerable.Range(0, depth).Sum(k => x[at / 8 * depth + k] * w[k * 8 + at % 8]))];
        if (type == DType.F32)
        {
            run.Run(entry, y, x, w);
        }
        else
        {
            run.Run(entry, y, Narrow(x, type), Narrow(w, type));
        }

        Assert.That(y, Is.EqualTo(exact));
    }

    /// <summary>Lane l has [l / 4][2 (l % 4)] and its neighbour of each matrix; transposed, [2 (l % 4)][l / 4] and the one below.</summary>
    [Test]
    public void MatricesComeAsDocumented()
    {
        using var run = new WrapperRun(DType.F16);
        ushort[] x = [.. Enumerable.Range(0, 256).Select(i => (ushort)(7 * i + 1))];
        var y = new uint[32 * 12];
        run.Run("matrices", y, x, new int[1]);
        uint At(int matrix, int row, int column) => x[matrix * 64 + row * 8 + column];
        for (int lane = 0; lane < 32; lane++)
        {
            int g = lane / 4;
            int t = 2 * (lane % 4);
            for (int m = 0; m < 4; m++)
            {
                uint plain = At(m, g, t) | At(m, g, t + 1) << 16;
                uint turned = At(m, t, g) | At(m, t + 1, g) << 16;
                Assert.That((y[lane * 12 + m], y[lane * 12 + 4 + m]), Is.EqualTo((plain, turned)), $"lane {lane}, matrix {m}");
                if (m < 2)
                {
                    Assert.That((y[lane * 12 + 8 + m], y[lane * 12 + 10 + m]), Is.EqualTo((plain, turned)), $"lane {lane}, pair {m}");
                }
            }
        }
    }

    /// <summary>So many bytes arrive and the rest are zeros; where nothing is copied, what was there stays.</summary>
    [Test]
    public void AsynchronousCopiesArrive()
    {
        using var run = new WrapperRun(DType.F16);
        byte[] x = [.. Enumerable.Range(0, 1024).Select(i => (byte)(i * 5 + 1))];
        var y = new byte[1664];
        run.Run("copies", y, x, new int[1]);
        for (int lane = 0; lane < 32; lane++)
        {
            for (int i = 0; i < 16; i++)
            {
                int at = lane * 16 + i;
                byte conditional = lane % 3 != 0 ? (byte)0xff : lane % 2 == 1 ? x[at] : (byte)0;
                Assert.That((y[at], y[512 + at], y[1152 + at]), Is.EqualTo((i < lane % 17 ? x[at] : (byte)0, conditional, x[512 + at])),
                    $"lane {lane}, byte {i}");
            }

            for (int i = 0; i < 4; i++)
            {
                Assert.That(y[1024 + lane * 4 + i], Is.EqualTo(lane % 2 == 1 ? x[lane * 4 + i] : 0), $"lane {lane}, byte {i} of 4");
            }
        }
    }

    [TestCase(32)]
    [TestCase(96)]
    [TestCase(512)]
    [TestCase(1024)]
    public void ReductionsReachEveryThread(int threads)
    {
        using var run = new WrapperRun(DType.F32);
        var random = new Random(threads);
        float[] x = [.. Enumerable.Range(0, threads).Select(_ => (float)random.Next(-1000, 1000))];
        var y = new float[4 * threads];
        run.Run($"reduce{threads}", y, x, new int[1], threads: threads);
        for (int i = 0; i < threads; i++)
        {
            float[] warp = x[(i / 32 * 32)..(i / 32 * 32 + 32)];
            Assert.That(y[(4 * i)..(4 * i + 4)], Is.EqualTo(new[] { warp.Sum(), warp.Max(), x.Sum(), x.Max() }), $"thread {i}");
        }
    }

    [TestCase("F32")]
    [TestCase("F16")]
    [TestCase("BF16")]
    public void VectorsPassThroughSharedMemory(string name)
    {
        using var run = new WrapperRun(Enum.Parse<DType>(name));
        uint[] x = [.. Enumerable.Range(0, 64 * 4).Select(i => (uint)i * 2654435761u)];
        var y = new uint[x.Length];
        var numbers = new int[64];
        run.Run("vectors", y, x, numbers, threads: 64, sharedBytes: 64 * 16);
        Assert.That(y, Is.EqualTo(x));
        for (int i = 0; i < 64; i++)
        {
            int wanted = AttentionTile.PaddedPitch(8 * (i + 1)) * 10000 + Math.Min(i, 5) * 1000 + Math.Max(i, 5) * 100 + (i + 2) / 3;
            Assert.That(numbers[i], Is.EqualTo(wanted), $"{i}");
        }
    }

    static ushort[] Narrow(float[] values, DType type) =>
    [
        .. values.Select(value => type == DType.F16
            ? BitConverter.HalfToUInt16Bits((Half)value)
            : (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)),
    ];

    static double Bits(int bits) => Math.Pow(2, -bits);

    /// <summary>x Phi(x), the error function by its series.</summary>
    static double Gelu(double x)
    {
        double z = x / Math.Sqrt(2);
        double term = z;
        double sum = z;
        for (int n = 1; n < 200; n++)
        {
            term *= -z * z / n;
            sum += term / (2 * n + 1);
        }

        return 0.5 * x * (1 + sum * 2 / Math.Sqrt(Math.PI));
    }
}
