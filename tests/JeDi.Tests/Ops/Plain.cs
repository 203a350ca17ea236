using System.Numerics;
using JeDi.Tensors;

namespace JeDi.Tests.Operations;

/// <summary>Operations as plain loops: in double they are the reference, in float the measure of what an error may be.</summary>
static class Plain
{
    /// <summary>act(x w^T + bias) + residual; with GEGLU w holds values, then gates.</summary>
    public static T[] Gemm<T>(float[] x, float[] w, float[]? bias, float[]? residual, int m, int n, int k, Activation activation)
        where T : IFloatingPointIeee754<T> =>
        Plain<T>.Gemm(As<T>(x), As<T>(w), AsOrNull<T>(bias), AsOrNull<T>(residual), m, n, k, activation);

    /// <summary>conv(x, w) + bias + rowBias + residual; x [b, h, w, i], filter [o, kernel, kernel, i].</summary>
    public static T[] Conv2d<T>(
        float[] x, float[] filter, float[]? bias, float[]? rowBias, float[]? residual, Shape input, int o, int kernel,
        ConvGeometry geometry)
        where T : IFloatingPointIeee754<T> =>
        Plain<T>.Conv2d(
            As<T>(x), As<T>(filter), AsOrNull<T>(bias), AsOrNull<T>(rowBias), AsOrNull<T>(residual), input, o, kernel, geometry);

    /// <summary>Two passes over each group of an image; x [images, pixels, channels].</summary>
    public static T[] GroupNorm<T>(float[] x, float[] scale, float[] shift, int images, int groups, float eps, bool silu)
        where T : IFloatingPointIeee754<T> =>
        Plain<T>.GroupNorm(As<T>(x), As<T>(scale), As<T>(shift), images, groups, eps, silu);

    /// <summary>Two passes over each row of x [rows, width].</summary>
    public static T[] LayerNorm<T>(float[] x, float[] scale, float[] shift, float eps) where T : IFloatingPointIeee754<T> =>
        Plain<T>.LayerNorm(As<T>(x), As<T>(scale), As<T>(shift), eps);

    /// <summary>One set: q [queries, channels], k and v [keys, channels], bias [keys] or none.</summary>
    public static T[] Attention<T>(float[] q, float[] k, float[] v, int channels, int heads, float[]? bias = null, bool causal = false)
        where T : IFloatingPointIeee754<T> =>
        Plain<T>.Attention(As<T>(q), As<T>(k), As<T>(v), channels, heads, AsOrNull<T>(bias), causal);

    /// <summary>Mean of the softmax weights over the heads: [queries, keys].</summary>
    public static T[] AttentionMap<T>(float[] q, float[] k, int channels, int heads, float[]? bias = null)
        where T : IFloatingPointIeee754<T> =>
        Plain<T>.AttentionMap(As<T>(q), As<T>(k), channels, heads, AsOrNull<T>(bias));

    /// <summary>Reproducible numbers, evenly spread over -1..1.</summary>
    public static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
    }

    /// <summary>2 / sqrt(pi) times the Taylor series, whose terms alternate; enough up to 5, where erf is 1 to twelve digits.</summary>
    public static double Erf(double x)
    {
        if (Math.Abs(x) > 5)
        {
            return Math.Sign(x);
        }

        double sum = 0;
        double power = x;
        for (int n = 0; n < 120 && Math.Abs(power) > 1e-20; n++)
        {
            sum += power / (2 * n + 1);
            power *= -x * x / (n + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    /// <summary>The same numbers in another type.</summary>
    public static T[] As<T>(float[] values) where T : IFloatingPointIeee754<T> => [.. values.Select(value => T.CreateChecked(value))];

    static T[]? AsOrNull<T>(float[]? values) where T : IFloatingPointIeee754<T> => values is null ? null : As<T>(values);
}
