using JeDi.Models;

namespace JeDi.Sampling;

/// <summary>The timesteps that a run of n steps visits, falling, by the spacing of its schedule.</summary>
static class Timesteps
{
    /// <summary>
    /// DDIM, DDPM, PNDM, Euler, Heun. Leading: i (T div n) + offset; trailing: round(T - i T / n) - 1; linspace: i (T - 1) / (n - 1).
    /// </summary>
    public static double[] Real(NoiseSchedule schedule, int steps) => schedule.Config.Spacing switch
    {
        TimestepSpacing.Trailing => Trailing(schedule, steps),
        TimestepSpacing.Linspace => Linspace(schedule, steps),
        _ => Leading(schedule, steps, schedule.TrainSteps / steps, 0),
    };

    /// <summary>The same for samplers that know whole timesteps only.</summary>
    public static int[] Whole(NoiseSchedule schedule, int steps) => [.. Real(schedule, steps).Select(t => (int)Math.Round(t))];

    /// <summary>
    /// DPM-Solver++ and UniPC, which end at a sigma of their own: n + 1 levels without the lowest, but where they are counted from the
    /// last one.
    /// </summary>
    public static double[] WithoutLowest(NoiseSchedule schedule, int steps) => schedule.Config.Spacing switch
    {
        TimestepSpacing.Trailing => Trailing(schedule, steps),
        TimestepSpacing.Linspace => [.. Linspace(schedule, steps + 1)[..^1].Select(t => Math.Round(t))],
        _ => Leading(schedule, steps, schedule.TrainSteps / (steps + 1), 1),
    };

    static double[] Trailing(NoiseSchedule schedule, int steps)
    {
        double ratio = (double)schedule.TrainSteps / steps;
        return [.. Enumerable.Range(0, steps).Select(i => Math.Round(schedule.TrainSteps - i * ratio) - 1)];
    }

    /// <summary>Rounded to F32, as the reference's table is.</summary>
    static double[] Linspace(NoiseSchedule schedule, int count)
    {
        double step = count == 1 ? 0 : (schedule.TrainSteps - 1.0) / (count - 1);
        return [.. Enumerable.Range(0, count).Select(i => (double)(float)((count - 1 - i) * step))];
    }

    /// <summary>
    /// (count + skipped) levels at a distance of <paramref name="ratio"/> from the offset on, the lowest skipped. Where that would leave
    /// the table (n = T) all of them are shifted down to its top.
    /// </summary>
    static double[] Leading(NoiseSchedule schedule, int count, int ratio, int skipped)
    {
        ratio = Math.Max(1, ratio);
        int highest = (count - 1 + skipped) * ratio;
        int offset = Math.Min(schedule.Config.Offset, schedule.TrainSteps - 1 - highest);
        return [.. Enumerable.Range(0, count).Select(i => (double)(highest - i * ratio + offset))];
    }
}
