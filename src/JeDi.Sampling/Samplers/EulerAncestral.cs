using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// Euler steps that go below the next level and come back up to it with fresh noise: sigma_next^2 = down^2 + up^2, in the proportions of
/// DDPM's posterior (k-diffusion's sample_euler_ancestral).
/// </summary>
static class EulerAncestral
{
    public static SamplerPlan Plan(string name, NoiseSchedule schedule, SigmaLadder ladder, int first)
    {
        var plan = new PlanBuilder(name, schedule, SamplerPlan.X);
        for (int i = first; i < ladder.Count; i++)
        {
            double sigma = ladder.Sigmas[i];
            LinearForm eps = plan.Eps(NoiseLevel.VarianceExploding(sigma));
            double next = ladder.Sigmas[i + 1];
            double up = next * Math.Sqrt(1 - next * next / (sigma * sigma));
            double down = next * next / sigma;
            plan.VarianceExploding(ladder.Timesteps[i], sigma, [X + (down - sigma) * eps + up * Noise], drawsNoise: true);
        }

        return plan.Build(plan.InitialScale(ladder));
    }
}
