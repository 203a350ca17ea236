namespace JeDi.Evaluation;

/// <summary>Vectors whose directions are compared.</summary>
public static class Features
{
    /// <summary>x / |x|; a vector of zeros, or one that is not finite, stays as it is.</summary>
    public static double[] Unit(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
        {
            sum += (double)value * value;
        }

        double length = Math.Sqrt(sum);
        var unit = new double[values.Length];
        for (int i = 0; i < unit.Length; i++)
        {
            unit[i] = length > 0 ? values[i] / length : values[i];
        }

        return unit;
    }

    /// <summary>The cosine of two vectors of unit length.</summary>
    public static double Cosine(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (a.Length != b.Length)
        {
            throw new ArgumentException($"features of {a.Length} and of {b.Length} numbers are of different encoders");
        }

        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    /// <summary>
    /// Mean cosine of all pairs of a generated and a real picture: what the papers on subject-driven generation call CLIP-I, DINO, and with
    /// masked pictures MCLIP-I and MDINO.
    /// </summary>
    public static double MeanOfPairs(IReadOnlyList<double[]> generated, IReadOnlyList<double[]> real) =>
        generated.Average(a => real.Average(b => Cosine(a, b)));
}
