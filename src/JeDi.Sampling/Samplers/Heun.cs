using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// Heun's second-order method on dx = eps dsigma (Karras et al. 2022, algorithm 1): an Euler step, then the same step again with the
/// mean of the predictions at both ends. The step to sigma 0 stays an Euler step.
/// </summary>
static class Heun
{
    /// <summary>Holds the second stage but for its own prediction: x + (sigma' - sigma) eps / 2.</summary>
    const int Half = 3;

    public static SamplerPlan Plan(string name, NoiseSchedule schedule, SigmaLadder ladder, int first)
    {
        var plan = new PlanBuilder(name, schedule, Half, SamplerPlan.X);
        for (int i = first / 2; i < ladder.Count; i++)
        {
            double sigma = ladder.Sigmas[i];
            LinearForm eps = plan.Eps(NoiseLevel.VarianceExploding(sigma));
            double next = ladder.Sigmas[i + 1];
            double step = next - sigma;
            plan.VarianceExploding(ladder.Timesteps[i], sigma, [X + step / 2 * eps, X + step * eps]);
            if (next > 0)
            {
                LinearForm[] second = [State(Half), State(Half) + step / 2 * plan.Eps(NoiseLevel.VarianceExploding(next))];
                plan.VarianceExploding(ladder.Timesteps[i + 1], next, second, again: true);
            }
        }

        return plan.Build(plan.InitialScale(ladder));
    }
}
