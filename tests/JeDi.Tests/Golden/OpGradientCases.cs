using System.Text.Json;
using JeDi.Tensors;
using JeDi.Tests.Backward;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Golden;

/// <summary>
/// Gradients of single operations for the output gradient dy, a recipe tensor: what is stored is the gradient of sum(y dy). Each may be
/// off by 3 x what a plain loop is, or PyTorch's float32 run where that is more, plus one unit in the last place.
/// </summary>
public static class OpGradientCases
{
    const double Factor = 3;
    const double Ulp = 1.0 / (1 << 23);

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
    ];

    static void Convolution(GoldenCase c, ConvGeometry geometry)
    {
        Shape w = c.ShapeOf("w");
        Shape nchw = c.ShapeOf("x");
        Shape input = [nchw[0], nchw[2], nchw[3], nchw[1]];
        float[] x = Layouts.NchwToNhwc(c.Values("x"), nchw[0], nchw[1], nchw[2] * nchw[3]);
        float[] filter = Layouts.NchwToNhwc(c.Values("w"), w[0], w[1], w[2] * w[3]);
        Shape output = GradientRun.Output(input, w[0], w[2], geometry);
        float[] dy = c.InputNhwc("dy", [output[0], output[3], output[1], output[2]]);
        var plain = PlainGradients.Conv2d<float>(x, filter, dy, input, w[0], w[2], geometry);
        ProductGradients actual = GradientRun.Conv2d(c.Device, x, filter, dy, input, w[0], w[2], geometry);

        // Winograd's algorithm may be off by four times what the direct one may.
        bool winograd = w[2] == 3 && geometry is { Stride: 1, Padding: Padding.Same } && Math.Min(w[0], w[1]) >= 32;
        int images = nchw[0];
        Expect(c, "dx", Layouts.NhwcToNchw(actual.Dx, images, nchw[1], nchw[2] * nchw[3]),
            Layouts.NhwcToNchw(plain.Dx, images, nchw[1], nchw[2] * nchw[3]), winograd ? 4 : 1);
        Expect(c, "dw", Layouts.NhwcToNchw(actual.Dw, w[0], w[1], w[2] * w[3]),
            Layouts.NhwcToNchw(plain.Dw, w[0], w[1], w[2] * w[3]), winograd ? 4 : 1);
        Expect(c, "db", actual.Dbias, plain.Dbias);
    }

    static void GroupNorm(GoldenCase c)
    {
        JsonElement p = c.Json.GetProperty("params");
        Shape nchw = c.ShapeOf("x");
        int pixels = nchw[2] * nchw[3];
        float[] x = c.InputNhwc("x", nchw, c.Json.GetProperty("inputs").GetProperty("x").GetProperty("scale").GetDouble());
        float[] dy = c.InputNhwc("dy", nchw);
        float[] scale = OpCases.NormWeight(c);
        float eps = p.GetProperty("eps").GetSingle();
        bool silu = p.GetProperty("silu").GetBoolean();
        var actual = NormGradientTests.Group(c.Device, x, scale, c.Values("b"), dy, nchw[0], c.Param("groups"), silu, eps: eps);
        var plain = PlainGradients.Norm<float>(x, scale, c.Values("b"), dy, nchw[0], c.Param("groups"), eps, silu);
        Expect(c, "dx", Layouts.NhwcToNchw(actual.Dx, nchw[0], nchw[1], pixels), Layouts.NhwcToNchw(plain.Dx, nchw[0], nchw[1], pixels));
        Expect(c, "dw", actual.Dscale, plain.Dscale);
        Expect(c, "db", actual.Dshift, plain.Dshift);
    }

    static void LayerNorm(GoldenCase c)
    {
        Shape shape = c.ShapeOf("x");
        float[] dy = c.Input("dy", shape);
        float[] scale = OpCases.NormWeight(c);
        float eps = c.Json.GetProperty("params").GetProperty("eps").GetSingle();
        var actual = NormGradientTests.Layer(c.Device, c.Values("x"), scale, c.Values("b"), dy, shape[0], eps: eps);
        var plain = PlainGradients.Norm<float>(c.Values("x"), scale, c.Values("b"), dy, (int)shape.RowCount, 1, eps, false);
        Expect(c, "dx", actual.Dx, plain.Dx);
        Expect(c, "dw", actual.Dscale, plain.Dscale);
        Expect(c, "db", actual.Dshift, plain.Dshift);
    }

    static void Linear(GoldenCase c)
    {
        Shape w = c.ShapeOf("w");
        Shape x = c.ShapeOf("x");
        int rows = (int)x.RowCount;
        float[] dy = c.Input("dy", [rows, w[0]]);
        float[] bias = c.Values("b");
        ProductGradients actual = GradientRun.Gemm(
            c.Device, c.Values("x"), c.Values("w"), bias, dy, [rows], w[0], w[1], Activation.None);
        var plain = PlainGradients.Gemm<float>(c.Values("x"), c.Values("w"), bias, dy, rows, w[0], w[1], Activation.None);
        Expect(c, "dx", actual.Dx, plain.Dx);
        Expect(c, "dw", actual.Dw, plain.Dw);
        Expect(c, "db", actual.Dbias, plain.Dbias);
    }

    /// <summary>An activation is the end of a matrix product: here with the identity, which changes no number.</summary>
    static void Activate(GoldenCase c, Activation activation)
    {
        Shape x = c.ShapeOf("x");
        int width = x[-1];
        int rows = (int)x.RowCount;
        var identity = new float[width * width];
        for (int i = 0; i < width; i++)
        {
            identity[i * (width + 1)] = 1;
        }

        float[] dy = c.Input("dy", [rows, activation == Activation.Geglu ? width / 2 : width]);
        ProductGradients actual = GradientRun.Gemm(
            c.Device, c.Values("x"), identity, new float[width], dy, [rows], width, width, activation);
        var plain = PlainGradients.Gemm<float>(c.Values("x"), identity, new float[width], dy, rows, width, width, activation);
        Expect(c, "dx", actual.Dx, plain.Dx);
    }

    static void Attention(GoldenCase c, bool coupled)
    {
        JsonElement p = c.Json.GetProperty("params");
        Shape q = c.ShapeOf("q");
        Shape k = c.ShapeOf("k");
        int images = coupled ? c.Param("images") : 1;
        int[] bounds = [.. Enumerable.Range(0, q[0] / images + 1).Select(set => set * images)];
        bool biased = c.Json.GetProperty("inputs").TryGetProperty("bias", out _);
        var run = new AttentionRun(c.Values("q"), c.Values("k"), c.Values("v"), q[0], k[0], q[2], c.Param("heads"))
        {
            Sets = images > 1 ? (bounds, bounds) : null,
            Bias = biased ? c.Values("bias") : null,
            Causal = coupled && p.GetProperty("causal").GetBoolean(),
        };
        float[] dy = c.Input("dy", q);
        AttentionGradientTests.Result actual = AttentionGradientTests.Run(c.Device, run, dy);
        var plain = bounds.SkipLast(1).Select(first => PlainSet(run, dy, first..(first + images))).ToArray();
        Expect(c, "dq", actual.Dq, [.. plain.SelectMany(set => set.Dq)]);
        Expect(c, "dk", actual.Dk, [.. plain.SelectMany(set => set.Dk)]);
        Expect(c, "dv", actual.Dv, [.. plain.SelectMany(set => set.Dv)]);
        if (biased)
        {
            Expect(c, "dbias", actual.Dbias, [.. plain.SelectMany(set => set.Dbias.Chunk(k[1]).Select(values => values.Sum()))]);
        }
    }

    static (float[] Dq, float[] Dk, float[] Dv, float[] Dbias) PlainSet(AttentionRun run, float[] dy, Range images)
    {
        AttentionRun set = run.Alone(images, images);
        float[]? bias = set.Bias is null ? null : [.. set.Bias.SelectMany(value => Enumerable.Repeat(value, set.KeyTokens))];
        float[] some = AttentionRun.Images(dy, run.QueryImages, images);
        return PlainGradients.Attention<float>(set.Q, set.K, set.V, some, set.Channels, set.Heads, bias, run.Causal);
    }

    static void Expect(GoldenCase c, string name, float[] actual, float[] plain, double factor = 1)
    {
        string key = $"{c.Tag}/{name}";
        double own = Comparison.Of(plain, c.Expected(key).Values).Relative;
        c.Expect(key, actual, factor * (Factor * Math.Max(own, c.Float32Error(key)) + Ulp));
    }
}
