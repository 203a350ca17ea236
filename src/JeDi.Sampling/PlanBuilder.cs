namespace JeDi.Sampling;

/// <summary>Collects the rows of a plan while a sampler goes through its evaluations.</summary>
sealed class PlanBuilder(string name, params int[] targets)
{
    readonly List<SamplerRow> rows = [];

    /// <summary>Adds an evaluation at a level kept with unit variance.</summary>
    /// <param name="timestep">What the network is told.</param>
    /// <param name="level">Noise level of the latent.</param>
    /// <param name="updates">One per target, in their order; each sees what those before it have written.</param>
    /// <param name="drawsNoise">Whether noise is drawn, even if its coefficient happens to be 0.</param>
    /// <param name="again">The step of the evaluation before is evaluated once more.</param>
    public void VariancePreserving(
        double timestep, NoiseLevel level, LinearForm[] updates, bool drawsNoise = false, bool again = false) =>
        Add(timestep, 1, level, updates, drawsNoise, again);

    /// <summary>Adds an evaluation of a latent x0 + sigma noise, which the network sees divided by sqrt(sigma^2 + 1).</summary>
    public void VarianceExploding(
        double timestep, double sigma, LinearForm[] updates, bool drawsNoise = false, bool again = false) =>
        Add(timestep, 1 / Math.Sqrt(sigma * sigma + 1), NoiseLevel.VarianceExploding(sigma), updates, drawsNoise, again);

    public SamplerPlan Build(double initialScale = 1) =>
        new(name, initialScale, [.. rows], targets, Math.Max(SamplerPlan.Noise, targets.Max()) + 1);

    /// <summary>sqrt(sigma^2 + 1), in F32 as the tables are.</summary>
    public static double InitialScale(SigmaLadder ladder)
    {
        float sigma = (float)ladder.Sigmas[0];
        return MathF.Sqrt(sigma * sigma + 1);
    }

    void Add(double timestep, double inputScale, NoiseLevel level, LinearForm[] updates, bool drawsNoise, bool again)
    {
        int states = Math.Max(SamplerPlan.Noise, targets.Max()) + 1;
        double[][] coefficients = [.. updates.Select(form => Enumerable.Range(0, states).Select(i => form[i]).ToArray())];
        int step = rows.Count == 0 ? 0 : rows[^1].Step + (again ? 0 : 1);
        rows.Add(new SamplerRow(step, timestep, inputScale, level, drawsNoise, coefficients));
    }
}
