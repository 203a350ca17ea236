namespace JeDi.Sampling;

/// <summary>
/// The noise levels that a sampler comes down by: timestep and sigma of every level, falling, then the final sigma 0.
/// All rules are Stable Diffusion 1.x's "leading" spacing with offset 1.
/// </summary>
/// <param name="Timesteps">One per level, what the network is told.</param>
/// <param name="Sigmas">One per level, rounded to F32, and 0 at the end.</param>
public sealed record SigmaLadder(double[] Timesteps, double[] Sigmas)
{
    /// <summary>Number of levels above 0.</summary>
    public int Count => Timesteps.Length;

    /// <summary>i (T div n) + 1, falling: DDIM, DDPM, PNDM, Euler, Heun.</summary>
    public static int[] Leading(NoiseSchedule schedule, int steps) => Evenly(schedule, steps, schedule.TrainSteps / steps, 0);

    /// <summary>
    /// i (T div (n + 1)) + 1, falling, without the lowest: DPM-Solver++ and UniPC, which end at sigma 0 by a step of their own.
    /// </summary>
    public static int[] LeadingWithoutLowest(NoiseSchedule schedule, int steps) =>
        Evenly(schedule, steps, schedule.TrainSteps / (steps + 1), 1);

    /// <summary>Integer timesteps with the table's sigmas.</summary>
    public static SigmaLadder At(NoiseSchedule schedule, int[] timesteps) =>
        new([.. timesteps], [.. timesteps.Select(t => (double)schedule.SigmaAt(t)), 0]);

    /// <summary>Karras sigmas between the first and the last of the chosen timesteps; the timesteps become fractional.</summary>
    public static SigmaLadder KarrasWithin(NoiseSchedule schedule, int[] timesteps)
    {
        double[] sigmas = Karras(schedule.SigmaAt(timesteps[0]), schedule.SigmaAt(timesteps[^1]), timesteps.Length);
        return new([.. sigmas.Select(sigma => (double)(float)schedule.TimestepOf(sigma))], Rounded(sigmas));
    }

    /// <summary>Karras sigmas over the whole table; the timesteps are rounded to integers.</summary>
    public static SigmaLadder KarrasOverall(NoiseSchedule schedule, int steps)
    {
        double[] sigmas = Karras(schedule.SigmaAt(schedule.TrainSteps - 1), schedule.SigmaAt(0), steps);
        return new([.. sigmas.Select(sigma => Math.Round(schedule.TimestepOf(sigma)))], Rounded(sigmas));
    }

    static double[] Rounded(double[] sigmas) => [.. sigmas.Select(sigma => (double)(float)sigma), 0];

    /// <summary>
    /// Equal distances in sigma^(1/7) from <paramref name="largest"/> to <paramref name="smallest"/> (Karras et al. 2022, eq. 5 with
    /// rho = 7).
    /// </summary>
    static double[] Karras(double largest, double smallest, int count)
    {
        const double Rho = 7;
        double from = Math.Pow(largest, 1 / Rho);
        double to = Math.Pow(smallest, 1 / Rho);
        return [.. Enumerable.Range(0, count).Select(i => Math.Pow(from + (count == 1 ? 0 : i / (count - 1.0)) * (to - from), Rho))];
    }

    /// <summary>
    /// (count + skipped) levels at a distance of <paramref name="ratio"/> and an offset of 1, falling, the lowest skipped. Where that
    /// would leave the table (n = T) all of them are shifted down to its top.
    /// </summary>
    static int[] Evenly(NoiseSchedule schedule, int count, int ratio, int skipped)
    {
        ratio = Math.Max(1, ratio);
        int highest = (count - 1 + skipped) * ratio;
        int offset = Math.Min(1, schedule.TrainSteps - 1 - highest);
        return [.. Enumerable.Range(0, count).Select(i => highest - i * ratio + offset)];
    }
}
