using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// Ancestral sampling of DDPM (Ho et al. 2020, eq. 6 and 7): the posterior q(x_prev | x_t, x0) at the prediction's x0, with its own
/// variance ("fixed small"). The last step goes to alpha = 1.
/// </summary>
static class Ddpm
{
    public static SamplerPlan Plan(string name, NoiseSchedule schedule, int steps, int first)
    {
        var plan = new PlanBuilder(name, SamplerPlan.X);
        foreach (int t in SigmaLadder.Leading(schedule, steps)[first..])
        {
            int previous = t - schedule.TrainSteps / steps;
            double a = schedule.AlphasCumprod[t];
            double aPrevious = previous >= 0 ? schedule.AlphasCumprod[previous] : 1;
            double beta = 1 - a / aPrevious;
            NoiseLevel now = schedule.LevelAt(t);
            LinearForm x0 = (X - now.Sigma * Eps) / now.Alpha;
            LinearForm mean = (Math.Sqrt(aPrevious) * beta * x0 + Math.Sqrt(a / aPrevious) * (1 - aPrevious) * X) / (1 - a);
            double variance = (1 - aPrevious) / (1 - a) * beta;
            plan.VariancePreserving(t, now, [mean + Math.Sqrt(variance) * Noise], drawsNoise: true);
        }

        return plan.Build();
    }
}
