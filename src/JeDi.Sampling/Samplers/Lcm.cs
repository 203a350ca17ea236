using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// Multistep sampling of latent consistency models (Luo et al. 2023, algorithm 3): the consistency function
/// f = c_skip x + c_out x0 jumps to the image, and fresh noise brings it back to the next of the distilled timesteps.
/// </summary>
static class Lcm
{
    /// <summary>Number of timesteps that consistency models are distilled on; no run has more steps.</summary>
    public const int OriginalSteps = 50;

    const double TimestepScaling = 10;
    const double SigmaData = 0.5;

    public static SamplerPlan Plan(string name, NoiseSchedule schedule, int steps, int first)
    {
        int[] timesteps = Timesteps(schedule, steps);
        var plan = new PlanBuilder(name, schedule, SamplerPlan.X);
        for (int i = first; i < steps; i++)
        {
            int t = timesteps[i];
            bool last = i == steps - 1;
            double scaled = t * TimestepScaling;
            double skip = SigmaData * SigmaData / (scaled * scaled + SigmaData * SigmaData);
            double weight = scaled / Math.Sqrt(scaled * scaled + SigmaData * SigmaData);
            NoiseLevel now = schedule.LevelAt(t);
            NoiseLevel next = last ? NoiseLevel.Clean : schedule.LevelAt(timesteps[i + 1]);
            plan.VariancePreserving(t, now, [next.Alpha * (weight * plan.Clean(now) + skip * X) + next.Sigma * Noise], drawsNoise: !last);
        }

        return plan.Build();
    }

    /// <summary>Of the distilled timesteps k (T div 50) - 1, falling, those at floor(50 i / n).</summary>
    static int[] Timesteps(NoiseSchedule schedule, int steps)
    {
        int ratio = schedule.TrainSteps / OriginalSteps;
        double stride = OriginalSteps / (double)steps;
        return [.. Enumerable.Range(0, steps).Select(i => (OriginalSteps - (int)Math.Floor(i * stride)) * ratio - 1)];
    }
}
