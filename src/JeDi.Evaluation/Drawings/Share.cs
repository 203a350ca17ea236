namespace JeDi.Evaluation.Drawings;

/// <summary>So many of so many, with the interval of 95 % (Wilson 1927), which is right for shares near 0 and 1, too.</summary>
/// <param name="Hits">How many.</param>
/// <param name="Trials">Of how many.</param>
public readonly record struct Share(int Hits, int Trials)
{
    const double Z = 1.959964;

    /// <summary>0 to 1; not a number without trials.</summary>
    public double Value => (double)Hits / Trials;

    /// <summary>Lower end of the interval.</summary>
    public double Low => Math.Max(0, Middle - Half);

    /// <summary>Upper end.</summary>
    public double High => Math.Min(1, Middle + Half);

    double Scale => 1 + Z * Z / Trials;

    double Middle => (Value + Z * Z / (2 * Trials)) / Scale;

    double Half => Z / Scale * Math.Sqrt(Value * (1 - Value) / Trials + Z * Z / (4.0 * Trials * Trials));

    public static Share Of(IReadOnlyCollection<bool> outcomes) => new(outcomes.Count(outcome => outcome), outcomes.Count);
}
