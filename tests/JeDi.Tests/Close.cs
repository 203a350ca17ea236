using JeDi.Tests.Precision;

namespace JeDi.Tests;

/// <summary>The one comparer of computed numbers; says the error, the tolerance, and where the worst element is.</summary>
public static class Close
{
    /// <summary>One unit in the last place of a float, relative to its binade's beginning.</summary>
    const double Ulp = 1.0 / (1 << 23);

    /// <summary>
    /// The derived tolerance of operations: the error against <paramref name="exact"/> (computed in double precision) is at most
    /// <paramref name="factor"/> x that of <paramref name="plain"/>, a plain loop of the same algorithm in the same element type, plus one
    /// unit in the last place at the tensor's scale. In half precision: <see cref="Allowance"/>.
    /// </summary>
    /// <param name="scale">Where terms cancel, the largest sum of their magnitudes: the scale, if it is more than the tensor's.</param>
    public static void LikePlain(
        ReadOnlySpan<float> actual, ReadOnlySpan<double> exact, ReadOnlySpan<float> plain, string what = "result", double factor = 2,
        double scale = 0)
    {
        Comparison own = Comparison.Of(actual, exact);
        double size = Math.Max(own.Largest, scale);
        double inSingle = factor * Comparison.Of(plain, exact).WorstError + Ulp * size;
        double tolerance = Allowance.Of(inSingle, own.WorstError, size);
        Require(own.WorstError <= tolerance, what, own.WorstError, tolerance, own);
    }

    /// <summary>Largest difference at most <paramref name="tolerance"/> x the largest expected value; 0 asks for equal numbers.</summary>
    public static void Within(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, double tolerance, string what = "result")
    {
        Comparison own = Comparison.Of(actual, expected);
        double allowed = Allowance.Of(tolerance, own.Relative, 1);
        Require(own.Relative <= allowed, what, own.Relative, allowed, own);
    }

    /// <summary>The same against expected numbers in single precision.</summary>
    public static void Within(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double tolerance, string what = "result")
    {
        Comparison own = Comparison.Of(actual, expected);
        double allowed = Allowance.Of(tolerance, own.Relative, 1);
        Require(own.Relative <= allowed, what, own.Relative, allowed, own);
    }

    /// <summary>Bit for bit, NaN and signed zero included.</summary>
    public static void SameBits(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, string what = "result")
    {
        Assert.That(actual.Length, Is.EqualTo(expected.Length), what);
        for (int i = 0; i < actual.Length; i++)
        {
            if (BitConverter.SingleToUInt32Bits(actual[i]) != BitConverter.SingleToUInt32Bits(expected[i]))
            {
                Assert.Fail($"{what}: bits differ first at {i} of {actual.Length}: {actual[i]:g9}, expected {expected[i]:g9}");
                return; // where failed checks are collected, one is enough
            }
        }
    }

    static void Require(bool right, string what, double error, double tolerance, Comparison own)
    {
        if (!right)
        {
            Assert.Fail($"{what}: error {error:0.00e+00}, tolerance {tolerance:0.00e+00} ({own.Text})");
        }
    }
}
