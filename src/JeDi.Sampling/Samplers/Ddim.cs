namespace JeDi.Sampling.Samplers;

/// <summary>
/// DDIM (Song et al. 2021, eq. 12) with eta = 0: the prediction's x0, noised with the same eps at the next level. The last step goes to
/// the level of timestep 0, or to alpha = 1 where the schedule says so.
/// </summary>
static class Ddim
{
    public static SamplerPlan Plan(string name, NoiseSchedule schedule, int steps, int first)
    {
        var plan = new PlanBuilder(name, schedule, SamplerPlan.X);
        foreach (int t in Timesteps.Whole(schedule, steps)[first..])
        {
            NoiseLevel now = schedule.LevelAt(t);
            NoiseLevel next = schedule.LevelAt(t - schedule.TrainSteps / steps);
            plan.VariancePreserving(t, now, [next.Alpha * plan.Clean(now) + next.Sigma * plan.Eps(now)]);
        }

        return plan.Build();
    }
}
