using System.Text.Json;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Golden;

/// <summary>
/// Cases of single operations: inputs x, w, b, q, k, v, bias, each a recipe tensor in the shape and scale that the case gives.
/// </summary>
public static class OpCases
{
    /// <summary>One unit in the last place at the tensor's scale.</summary>
    const double Ulp = 1.0 / (1 << 23);

    /// <summary>The ops that this class runs, each on every SIMD level.</summary>
    public static IEnumerable<(string Op, GoldenRunner Run)> All { get; } =
    [
        ("conv2d", c => Convolution(c, new ConvGeometry(c.Param("stride")))),
        ("conv2d_pad_right_bottom", c => Convolution(c, new ConvGeometry(c.Param("stride"), Padding.RightBottom))),
        ("upsample_nearest2x_conv2d", c => Convolution(c, new ConvGeometry(c.Param("stride"), Upsample: true))),
        ("group_norm", GroupNorm),
        ("layer_norm", LayerNorm),
        ("linear", Linear),
        ("silu", c => Activate(c, Activation.Silu)),
        ("gelu", c => Activate(c, Activation.Gelu)),
        ("quick_gelu", c => Activate(c, Activation.QuickGelu)),
        ("geglu", c => Activate(c, Activation.Geglu)),
        ("coupled_attention", c => Attention(c, coupled: true)),
        ("coupled_attention_image_bias", c => Attention(c, coupled: true)),
        ("cross_attention", c => Attention(c, coupled: false)),
        ("timestep_embedding", TimestepEmbedding),
    ];

    /// <summary>
    /// Against the plain loop: PyTorch's sums are cut in pieces, which 576 products show. Where the device uses Winograd's algorithm for
    /// this shape, 4 x what the direct one may be off.
    /// </summary>
    static void Convolution(GoldenCase c, ConvGeometry geometry)
    {
        Shape w = c.ShapeOf("w");
        Shape nchw = c.ShapeOf("x");
        Shape input = [nchw[0], nchw[2], nchw[3], nchw[1]];
        float[] x = Layouts.NchwToNhwc(c.Values("x"), nchw[0], nchw[1], nchw[2] * nchw[3]);
        float[] filter = Layouts.NchwToNhwc(c.Values("w"), w[0], w[1], w[2] * w[3]);
        float[] bias = c.Values("b");
        float[] plain = Nchw(Plain.Conv2d<float>(x, filter, bias, null, null, input, w[0], w[2], geometry));
        var untouched = new Parameter("w", ParameterKind.Convolution, [w[0], w[2], w[3], w[1]]);
        bool winograd = c.Device.PreparedFilterBytes(untouched, input, geometry) > 0;
        string key = $"{c.Tag}/y";
        double direct = 2 * Comparison.Of(plain, c.Expected(key).Values).Relative + Ulp;
        float[] y = Nchw(OpRun.Conv2d(c.Device, x, filter, bias, null, null, input, w[0], w[2], geometry));
        c.Expect(key, y, winograd ? 4 * direct : direct);

        float[] Nchw(float[] nhwc) => Layouts.NhwcToNchw(nhwc, nchw[0], w[0], nhwc.Length / nchw[0] / w[0]);
    }

    static void GroupNorm(GoldenCase c)
    {
        JsonElement p = c.Json.GetProperty("params");
        Run(c, ops => ops.GroupNorm(
            ops.Images(c, "x"),
            NormWeight(ops, c),
            ops.Load(ParameterKind.Vector, c.ShapeOf("b"), c.Values("b")),
            c.Param("groups"),
            p.GetProperty("eps").GetSingle(),
            p.GetProperty("silu").GetBoolean()));
    }

    static void LayerNorm(GoldenCase c) => Run(c, ops => ops.LayerNorm(
        ops.Rows(c, "x"),
        NormWeight(ops, c),
        ops.Load(ParameterKind.Vector, c.ShapeOf("b"), c.Values("b")),
        c.Json.GetProperty("params").GetProperty("eps").GetSingle()));

    static void Linear(GoldenCase c) => Run(c, ops => ops.Linear(
        ops.Rows(c, "x"),
        ops.Load(ParameterKind.Matrix, c.ShapeOf("w"), c.Values("w")),
        ops.Load(ParameterKind.Vector, c.ShapeOf("b"), c.Values("b"))));

    /// <summary>An activation is the end of a matrix product: here with the identity, which changes no number.</summary>
    static void Activate(GoldenCase c, Activation activation)
    {
        int width = c.ShapeOf("x")[-1];
        var identity = new float[width * width];
        for (int i = 0; i < width; i++)
        {
            identity[i * (width + 1)] = 1;
        }

        ParameterKind kind = activation == Activation.Geglu ? ParameterKind.GegluMatrix : ParameterKind.Matrix;
        Run(c, ops => ops.Linear(ops.Rows(c, "x"), ops.Load(kind, [width, width], identity), activation: activation));
    }

    /// <summary>Against the plain loop: PyTorch's sums are cut in pieces, which a width of 512 shows.</summary>
    static void Attention(GoldenCase c, bool coupled)
    {
        JsonElement p = c.Json.GetProperty("params");
        Shape q = c.ShapeOf("q");
        Shape k = c.ShapeOf("k");
        int images = coupled ? c.Param("images") : 1;
        int[] bounds = [.. Enumerable.Range(0, q[0] / images + 1).Select(set => set * images)];
        var run = new AttentionRun(c.Values("q"), c.Values("k"), c.Values("v"), q[0], k[0], q[2], c.Param("heads"))
        {
            Sets = images > 1 ? (bounds, bounds) : null,
            Bias = c.Json.GetProperty("inputs").TryGetProperty("bias", out _) ? c.Values("bias") : null,
            Causal = coupled && p.GetProperty("causal").GetBoolean(),
        };
        string key = $"{c.Tag}/y";
        float[] plain = [.. bounds.SkipLast(1).SelectMany(first => PlainSet(run.Alone(first..(first + images), first..(first + images))))];
        c.Expect(key, run.On(c.Device), 2 * Comparison.Of(plain, c.Expected(key).Values).Relative + Ulp);
    }

    static float[] PlainSet(AttentionRun set)
    {
        float[]? bias = set.Bias is null ? null : [.. set.Bias.SelectMany(value => Enumerable.Repeat(value, set.KeyTokens))];
        return Plain.Attention<float>(set.Q, set.K, set.V, set.Channels, set.Heads, bias, set.Causal);
    }

    static void TimestepEmbedding(GoldenCase c)
    {
        JsonElement p = c.Json.GetProperty("params");
        float[] timesteps = [.. p.GetProperty("timesteps").EnumerateArray().Select(t => t.GetSingle())];
        var arena = new Arena(c.Device);
        var ops = new Ops(c.Device, arena);
        Tensor y = ops.TimestepEmbedding(ops.From<float>([timesteps.Length], timesteps), c.Param("dim"));
        c.Expect($"{c.Tag}/y", c.Device.ToArray(y), Ulp);
        arena.Release();
    }

    /// <summary>Tolerance: 2 x the error of PyTorch's float32 run plus one unit in the last place.</summary>
    static void Run(GoldenCase c, Func<Ops, Tensor> compute)
    {
        var arena = new Arena(c.Device);
        Tensor y = compute(new Ops(c.Device, arena));
        string key = $"{c.Tag}/y";
        double tolerance = 2 * c.Float32Error(key) + Ulp;
        if (c.ShapeOf("x") is { Rank: 4 })
        {
            c.ExpectNhwc(key, y, tolerance);
        }
        else
        {
            c.Expect(key, c.Device.ToArray(y), tolerance);
        }

        arena.Release();
    }

    static Parameter NormWeight(Ops ops, GoldenCase c) => ops.Load(ParameterKind.Vector, c.ShapeOf("w"), NormWeight(c));

    /// <summary>The weight of a norm; some cases store its distance from 1.</summary>
    internal static float[] NormWeight(GoldenCase c)
    {
        bool onePlus = c.Json.GetProperty("params").TryGetProperty("weight_is_one_plus_w", out JsonElement flag) && flag.GetBoolean();
        float[] w = c.Values("w");
        return onePlus ? [.. w.Select(value => 1 + value)] : w;
    }

    internal static int Param(this GoldenCase c, string key) => c.Json.GetProperty("params").GetProperty(key).GetInt32();

    internal static Shape ShapeOf(this GoldenCase c, string input) =>
        c.Json.GetProperty("inputs").TryGetProperty(input, out JsonElement json)
            ? Shape.Create([.. json.GetProperty("shape").EnumerateArray().Select(size => size.GetInt32())])
            : [];

    internal static float[] Values(this GoldenCase c, string input) =>
        c.Input(input, c.ShapeOf(input), c.Json.GetProperty("inputs").GetProperty(input).GetProperty("scale").GetDouble());

    static Tensor Rows(this Ops ops, GoldenCase c, string input) => ops.From<float>(c.ShapeOf(input), c.Values(input));

    static Tensor Images(this Ops ops, GoldenCase c, string input)
    {
        Shape nchw = c.ShapeOf(input);
        float[] values = Layouts.NchwToNhwc(c.Values(input), nchw[0], nchw[1], nchw[2] * nchw[3]);
        return ops.From<float>([nchw[0], nchw[2], nchw[3], nchw[1]], values);
    }

    static Parameter Load(this Ops ops, ParameterKind kind, Shape shape, float[] values) => ops.Device.LoadFloats(kind, shape, values);
}
