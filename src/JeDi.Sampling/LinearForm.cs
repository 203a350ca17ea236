namespace JeDi.Sampling;

/// <summary>
/// A linear combination of a sampler's states, written as the papers write it: <c>(X - sigma * Prediction) / alpha</c>. Holds the
/// coefficients, never the tensors.
/// </summary>
sealed class LinearForm
{
    /// <summary>x, eps, noise and up to four saved tensors.</summary>
    public const int States = 7;

    readonly double[] coefficients = new double[States];

    /// <summary>The latent.</summary>
    public static LinearForm X => State(SamplerPlan.X);

    /// <summary>The guided prediction at the latent: noise, v or image, as the network was trained.</summary>
    public static LinearForm Prediction => State(SamplerPlan.Prediction);

    /// <summary>A fresh standard normal draw.</summary>
    public static LinearForm Noise => State(SamplerPlan.Noise);

    /// <summary>Nothing: a saved tensor that no later update reads.</summary>
    public static LinearForm Zero => new();

    /// <summary>Coefficient of a state.</summary>
    public double this[int state] => coefficients[state];

    /// <summary>What the sampler keeps in a state of its own.</summary>
    public static LinearForm State(int index)
    {
        var form = new LinearForm();
        form.coefficients[index] = 1;
        return form;
    }

    /// <summary>Sum.</summary>
    public static LinearForm operator +(LinearForm a, LinearForm b) => Sum(a, 1, b);

    /// <summary>Difference.</summary>
    public static LinearForm operator -(LinearForm a, LinearForm b) => Sum(a, -1, b);

    /// <summary>Multiple.</summary>
    public static LinearForm operator *(double factor, LinearForm a) => Sum(Zero, factor, a);

    /// <summary>Quotient.</summary>
    public static LinearForm operator /(LinearForm a, double divisor) => Sum(Zero, 1 / divisor, a);

    static LinearForm Sum(LinearForm a, double factor, LinearForm b)
    {
        var sum = new LinearForm();
        for (int i = 0; i < States; i++)
        {
            sum.coefficients[i] = a.coefficients[i] + factor * b.coefficients[i];
        }

        return sum;
    }
}
