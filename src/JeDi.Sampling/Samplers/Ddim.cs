using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// DDIM (Song et al. 2021, eq. 12) with eta = 0: the prediction's x0, noised with the same eps at the next level. The last step goes to
/// the level of timestep 0.
/// </summary>
static class Ddim
{
    public static SamplerPlan Plan(string name, NoiseSchedule schedule, int steps, int first)
    {
        var plan = new PlanBuilder(name, SamplerPlan.X);
        foreach (int t in SigmaLadder.Leading(schedule, steps)[first..])
        {
            NoiseLevel now = schedule.LevelAt(t);
            NoiseLevel next = schedule.LevelAt(t - schedule.TrainSteps / steps);
            LinearForm x0 = (X - now.Sigma * Eps) / now.Alpha;
            plan.VariancePreserving(t, now, [next.Alpha * x0 + next.Sigma * Eps]);
        }

        return plan.Build();
    }
}
