using JeDi.Models;
using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling;

/// <summary>Collects the rows of a plan while a sampler goes through its evaluations.</summary>
sealed class PlanBuilder(string name, NoiseSchedule schedule, params int[] targets)
{
    readonly List<SamplerRow> rows = [];

    /// <summary>The image x0 that the prediction at the latent stands for.</summary>
    public LinearForm Clean(NoiseLevel level) => Clean(level, X, Prediction);

    /// <summary>The noise that the prediction at the latent stands for.</summary>
    public LinearForm Eps(NoiseLevel level) => Eps(level, X, Prediction);

    /// <summary>The image x0 of a latent x = alpha x0 + sigma noise with the prediction <paramref name="p"/>.</summary>
    /// <exception cref="SamplingException">Nothing of the image is left in x, so that its noise does not tell it.</exception>
    public LinearForm Clean(NoiseLevel level, LinearForm x, LinearForm p)
    {
        double square = level.Alpha * level.Alpha + level.Sigma * level.Sigma;
        switch (schedule.Config.Prediction)
        {
            case PredictionType.Sample:
                return p;
            case PredictionType.V:
                return level.Alpha / square * x - level.Sigma / Math.Sqrt(square) * p;
            default:
                return level.Alpha > 0 ? (x - level.Sigma * p) / level.Alpha : throw new SamplingException(
                    $"{name} starts where nothing of the picture is left, of which a network that predicts noise says nothing; "
                    + "try euler, or another timestep_spacing in scheduler_config.json");
        }
    }

    /// <summary>The noise of a latent x = alpha x0 + sigma noise with the prediction <paramref name="p"/>.</summary>
    public LinearForm Eps(NoiseLevel level, LinearForm x, LinearForm p)
    {
        double square = level.Alpha * level.Alpha + level.Sigma * level.Sigma;
        return schedule.Config.Prediction switch
        {
            PredictionType.Sample => (x - level.Alpha * p) / level.Sigma,
            PredictionType.V => level.Sigma / square * x + level.Alpha / Math.Sqrt(square) * p,
            _ => p,
        };
    }

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

    /// <summary>The plan of the rows so far.</summary>
    public SamplerPlan Build(double initialScale = 1) =>
        new(name, initialScale, [.. rows], targets, Math.Max(SamplerPlan.Noise, targets.Max()) + 1);

    /// <summary>
    /// sqrt(sigma^2 + 1) of the largest sigma, in F32 as the tables are; where the timesteps reach the last one that sigma itself.
    /// </summary>
    public double InitialScale(SigmaLadder ladder)
    {
        float sigma = (float)ladder.Sigmas[0];
        return schedule.Config.Spacing == TimestepSpacing.Leading ? MathF.Sqrt(sigma * sigma + 1) : sigma;
    }

    void Add(double timestep, double inputScale, NoiseLevel level, LinearForm[] updates, bool drawsNoise, bool again)
    {
        int states = Math.Max(SamplerPlan.Noise, targets.Max()) + 1;
        double[][] coefficients = [.. updates.Select(form => Enumerable.Range(0, states).Select(i => form[i]).ToArray())];
        int step = rows.Count == 0 ? 0 : rows[^1].Step + (again ? 0 : 1);
        LinearForm clean = Clean(level);
        rows.Add(new SamplerRow(
            step, timestep, inputScale, level, drawsNoise, coefficients, (clean[SamplerPlan.X], clean[SamplerPlan.Prediction])));
    }
}
