using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// PNDM without Runge-Kutta start = PLMS (Liu et al. 2022, eq. 9 and 12): the transfer formula phi(x, eps, t, t') with a linear
/// multistep eps of up to four predictions. The first step is taken twice, the second time (at its end, from its beginning) with the
/// mean of both predictions.
/// </summary>
static class Pndm
{
    const int Saved1 = 3;
    const int Saved2 = 4;
    const int Saved3 = 5;
    const int Start = 6;

    public static SamplerPlan Plan(string name, NoiseSchedule schedule, int steps, int first)
    {
        int ratio = schedule.TrainSteps / steps;
        int[] leading = Timesteps.Whole(schedule, steps);
        int[] timesteps = steps == 1 ? leading : [leading[0], leading[1], .. leading[1..]];
        var plan = new PlanBuilder(name, schedule, Start, SamplerPlan.X, Saved3, Saved2, Saved1);
        (LinearForm eps1, LinearForm eps2, LinearForm eps3) = (State(Saved1), State(Saved2), State(Saved3));
        for (int i = first; i < timesteps.Length; i++)
        {
            int t = timesteps[i];
            int done = i - first;
            LinearForm start = done switch
            {
                0 => X,
                1 => State(Start),
                _ => Zero,
            };
            LinearForm next = done switch
            {
                0 => Transfer(X, Prediction, t, t - ratio),
                1 => Transfer(State(Start), (Prediction + eps1) / 2, t + ratio, t),
                2 => Transfer(X, (3 * Prediction - eps1) / 2, t, t - ratio),
                3 => Transfer(X, (23 * Prediction - 16 * eps1 + 5 * eps2) / 12, t, t - ratio),
                _ => Transfer(X, (55 * Prediction - 59 * eps1 + 37 * eps2 - 9 * eps3) / 24, t, t - ratio),
            };
            LinearForm[] saved = done switch
            {
                0 => [Zero, Zero, Prediction],
                1 => [Zero, Zero, eps1],
                _ => [eps2, eps1, Prediction],
            };
            plan.VariancePreserving(t, schedule.LevelAt(t), [start, next, .. saved], again: done == 1);
        }

        return plan.Build();

        // phi (eq. 9, the same as a DDIM step): the exact solution for a constant prediction of noise.
        LinearForm Transfer(LinearForm x, LinearForm prediction, int from, int to)
        {
            NoiseLevel now = schedule.LevelAt(from);
            NoiseLevel next = schedule.LevelAt(to);
            return next.Alpha * plan.Clean(now, x, prediction) + next.Sigma * plan.Eps(now, x, prediction);
        }
    }
}
