using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>Euler's method on dx = eps dsigma (Karras et al. 2022, algorithm 2 without churn and correction).</summary>
static class Euler
{
    public static SamplerPlan Plan(string name, NoiseSchedule schedule, SigmaLadder ladder, int first)
    {
        var plan = new PlanBuilder(name, schedule, SamplerPlan.X);
        for (int i = first; i < ladder.Count; i++)
        {
            double sigma = ladder.Sigmas[i];
            LinearForm eps = plan.Eps(NoiseLevel.VarianceExploding(sigma));
            plan.VarianceExploding(ladder.Timesteps[i], sigma, [X + (ladder.Sigmas[i + 1] - sigma) * eps]);
        }

        return plan.Build(plan.InitialScale(ladder));
    }
}
