using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// Ancestral sampling of DDPM (Ho et al. 2020, eq. 6 and 7): the posterior q(x_prev | x_t, x0) at the prediction's x0, with its own
/// variance ("fixed small"). The last step goes to alpha = 1; none is drawn at timestep 0.
/// </summary>
static class Ddpm
{
    public static SamplerPlan Plan(string name, NoiseSchedule schedule, int steps, int first)
    {
        var plan = new PlanBuilder(name, schedule, SamplerPlan.X);
        int[] timesteps = Timesteps.Whole(schedule, steps);
        for (int i = first; i < steps; i++)
        {
            int t = timesteps[i];
            double a = schedule.AlphasCumprod[t];
            double aPrevious = i + 1 < steps ? schedule.AlphasCumprod[timesteps[i + 1]] : 1;
            double beta = 1 - a / aPrevious;
            NoiseLevel now = schedule.LevelAt(t);
            LinearForm mean = (Math.Sqrt(aPrevious) * beta * plan.Clean(now) + Math.Sqrt(a / aPrevious) * (1 - aPrevious) * X) / (1 - a);
            double variance = (1 - aPrevious) / (1 - a) * beta;
            plan.VariancePreserving(t, now, [mean + Math.Sqrt(variance) * Noise], drawsNoise: t > 0);
        }

        return plan.Build();
    }
}
