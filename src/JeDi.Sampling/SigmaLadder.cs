namespace JeDi.Sampling;

/// <summary>The noise levels that a sampler comes down by: timestep and sigma of every level, falling, then the final sigma.</summary>
/// <param name="Timesteps">One per level, what the network is told.</param>
/// <param name="Sigmas">One per level, rounded to F32, and what the last step goes to at the end.</param>
public sealed record SigmaLadder(double[] Timesteps, double[] Sigmas)
{
    /// <summary>Number of levels above the last.</summary>
    public int Count => Timesteps.Length;

    /// <summary>These timesteps with the table's sigmas.</summary>
    public static SigmaLadder At(NoiseSchedule schedule, double[] timesteps, double final = 0) =>
        new(timesteps, [.. timesteps.Select(t => (double)schedule.SigmaAt(t)), final]);

    /// <summary>Karras sigmas between the first and the last of the chosen timesteps; the timesteps become fractional.</summary>
    public static SigmaLadder KarrasWithin(NoiseSchedule schedule, double[] timesteps, double final = 0)
    {
        double[] sigmas = Karras(schedule.SigmaAt(timesteps[0]), schedule.SigmaAt(timesteps[^1]), timesteps.Length);
        return new([.. sigmas.Select(sigma => (double)(float)schedule.TimestepOf(sigma))], [.. Rounded(sigmas), final]);
    }

    /// <summary>Karras sigmas over the whole table; the timesteps are rounded to integers.</summary>
    public static SigmaLadder KarrasOverall(NoiseSchedule schedule, int steps, double final = 0)
    {
        double[] sigmas = Karras(schedule.SigmaAt(schedule.TrainSteps - 1), schedule.SigmaAt(0), steps);
        return new([.. sigmas.Select(sigma => Math.Round(schedule.TimestepOf(sigma)))], [.. Rounded(sigmas), final]);
    }

    static IEnumerable<double> Rounded(double[] sigmas) => sigmas.Select(sigma => (double)(float)sigma);

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
}
