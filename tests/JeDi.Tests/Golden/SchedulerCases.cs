using System.Numerics;
using System.Text.Json;
using JeDi.Files;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tests.Sampling;

namespace JeDi.Tests.Golden;

/// <summary>
/// Every step of a sampler on the closed-form network 0.9 sin(x) + 0.1 cos(t / 1000), under the usual or other settings of
/// scheduler_config.json.
/// </summary>
static class SchedulerCases
{
    const int Count = 4 * 4 * 4;
    const double LastPlace = 1.0 / (1 << 23);

    public static void Run(GoldenCase c)
    {
        string name = c.Json.GetProperty("scheduler").GetString()!;
        string settings = c.Json.TryGetProperty("config", out JsonElement changed) ? changed.GetRawText() : "{}";
        var schedule = new NoiseSchedule(ScheduleConfig.Read(ConfigReader.Parse(settings, c.Tag)));
        SamplerPlan plan = Sampler.Plan(name, schedule, c.Int("steps"));
        if (c.Has("alphas_cumprod"))
        {
            c.Expect("alphas_cumprod", NoiseSchedule.StableDiffusion.AlphasCumprod, 0);
        }

        // Fractional timesteps come from the F32 logarithms of two sigmas, whose last place is up to 8e-5 of a timestep.
        bool fractional = plan.Rows.Any(row => row.Timestep % 1 != 0);
        float[] timesteps = [.. plan.Rows.Select(row => (float)row.Timestep)];
        c.Expect("timesteps", timesteps, Numbers(c.Json.GetProperty("timesteps")), fractional ? 2 * 8e-5 / timesteps.Max() : 0);
        // A rounded root of a sigma that may itself be one off.
        c.Expect("init_noise_sigma", [(float)plan.InitialScale], [c.Json.GetProperty("init_noise_sigma").GetSingle()], 2 * LastPlace);
        c.Expect("noise_draws", [plan.Rows.Count(row => row.DrawsNoise)], [c.Int("noise_draws")], 0);
        // Another machine's F32 betas are one off here and there: each carries three roundings, of which ln(1 / alphas_cumprod) = 5.4
        // counts; half of that is the sigma's.
        if (c.Json.GetProperty("sigmas") is { ValueKind: JsonValueKind.Array } sigmas)
        {
            double final = schedule.Config.FinalSigmaIsSmallest ? schedule.SigmaAt(0) : 0;
            IEnumerable<NoiseLevel> levels = [.. plan.Rows.Select(row => row.Level), NoiseLevel.VarianceExploding(final)];
            c.Expect("sigmas", [.. levels.Select(level => (float)(level.Sigma / level.Alpha))], Numbers(sigmas), 4 * LastPlace);
        }

        // The reference computes its coefficients in F32, which the SDE's square roots of differences feel most. A run in F32 also
        // rounds the latents once a step.
        double tolerance = name.Contains("sde") ? 2e-5 : 2e-6;

        // Euler's latent is F32 in the reference before its first step, too, where it may be hundreds of times as large.
        float largest = c.Expected($"{c.Tag}/samples").Values.Max(Math.Abs);
        tolerance += LastPlace / 2 * plan.InitialScale * Recipe.UnitVariance / Math.Max(1, largest);
        c.Expect($"{c.Tag}/samples", [.. Samples<float>(c, plan)], tolerance + plan.Rows.Count * LastPlace / 2);
        c.Expect($"{c.Tag}/samples", [.. Samples<double>(c, plan).Select(value => (float)value)], tolerance);
    }

    /// <summary>The latents after each step, with states and coefficients in <typeparamref name="T"/>.</summary>
    static IEnumerable<T> Samples<T>(GoldenCase c, SamplerPlan plan)
        where T : IFloatingPointIeee754<T>
    {
        T[] start = Draw<T>(c.RecipeName("init"));
        T scale = T.CreateChecked(plan.InitialScale);
        var run = new PlanRun<T>(plan, [.. start.Select(value => value * scale)]);
        int draws = 0;
        return run.Steps(
            (x, t) => T.CreateChecked(0.9) * T.Sin(x) + T.CreateChecked(0.1) * T.Cos(T.CreateChecked(t / 1000)),
            () => Draw<T>(c.RecipeName($"noise/{draws++}"))).SelectMany(x => x);
    }

    static T[] Draw<T>(string name)
        where T : IFloatingPointIeee754<T> => [.. Recipe.Tensor(name, Count).Select(T.CreateChecked)];

    static float[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(value => value.GetSingle())];
}
