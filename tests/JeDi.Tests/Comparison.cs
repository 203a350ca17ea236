namespace JeDi.Tests;

/// <summary>How far a result is from what it should be.</summary>
/// <param name="Largest">Largest absolute expected value: the tensor's scale.</param>
/// <param name="WorstError">Largest absolute difference; infinite where only one of the two is NaN or infinite.</param>
/// <param name="Worst">Index of the worst element.</param>
/// <param name="NormalisedMeanSquare">Sum of the squared differences over the sum of the squared expected values.</param>
/// <param name="Text">All of it for a person.</param>
public sealed record Comparison(double Largest, double WorstError, int Worst, double NormalisedMeanSquare, string Text)
{
    /// <summary><see cref="WorstError"/> over <see cref="Largest"/>.</summary>
    public double Relative => WorstError == 0 ? 0 : WorstError / Math.Max(Largest, 1e-30);

    public static Comparison Of(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected)
    {
        if (actual.Length != expected.Length)
        {
            return new Comparison(1, double.PositiveInfinity, 0, double.NaN, $"{actual.Length} values, expected {expected.Length}");
        }

        double largest = 0;
        double worstError = 0;
        int worst = 0;
        double squares = 0;
        double scale = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double error = Difference(actual[i], expected[i]);
            if (double.IsFinite(expected[i]))
            {
                largest = Math.Max(largest, Math.Abs(expected[i]));
                scale += expected[i] * expected[i];
                squares += error * error;
            }

            if (error > worstError)
            {
                (worstError, worst) = (error, i);
            }
        }

        double normalised = squares == 0 ? 0 : squares / Math.Max(scale, 1e-60);
        string at = actual.Length == 0 ? "empty"
            : $"worst at {worst} of {actual.Length}: {actual[worst]:g9}, expected {expected[worst]:g9}";
        return new Comparison(largest, worstError, worst, normalised, $"{at}, normalised mean square {normalised:0.0e+00}");
    }

    /// <summary>The same against expected numbers in single precision.</summary>
    public static Comparison Of(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        var wide = new double[expected.Length];
        for (int i = 0; i < wide.Length; i++)
        {
            wide[i] = expected[i];
        }

        return Of(actual, wide);
    }

    static double Difference(double actual, double expected)
    {
        if (actual.Equals(expected) || actual == expected)
        {
            return 0;
        }

        double difference = Math.Abs(actual - expected);
        return double.IsNaN(difference) ? double.PositiveInfinity : difference;
    }
}
