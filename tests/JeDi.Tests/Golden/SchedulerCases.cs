using System.Numerics;
using System.Text.Json;
using JeDi.Files;
using JeDi.Sampling;
using JeDi.Tests.Sampling;

namespace JeDi.Tests.Golden;

/// <summary>Every step of a sampler on the closed-form network eps(x, t) = 0.9 sin(x) + 0.1 cos(t / 1000).</summary>
static class SchedulerCases
{
    const int Count = 4 * 4 * 4;
    const double LastPlace = 1.0 / (1 << 23);

    public static void Run(GoldenCase c)
    {
        string name = c.Json.GetProperty("scheduler").GetString()!;
        SamplerPlan plan = Sampler.Plan(name, NoiseSchedule.StableDiffusion, c.Int("steps"));
        if (c.Has("alphas_cumprod"))
        {
            c.Expect("alphas_cumprod", NoiseSchedule.StableDiffusion.AlphasCumprod, 0);
        }

        // Fractional timesteps come from the F32 logarithms of the sigmas, whose last place is up to 8e-5 of a timestep.
        bool fractional = plan.Rows.Any(row => row.Timestep % 1 != 0);
        float[] timesteps = [.. plan.Rows.Select(row => (float)row.Timestep)];
        c.Expect("timesteps", timesteps, Numbers(c.Json.GetProperty("timesteps")), fractional ? 2e-7 : 0);
        c.Expect("init_noise_sigma", [(float)plan.InitialScale], [c.Json.GetProperty("init_noise_sigma").GetSingle()], 0);
        c.Expect("noise_draws", [plan.Rows.Count(row => row.DrawsNoise)], [c.Int("noise_draws")], 0);
        // The reference's F32 square root may be off by one in the last place.
        if (c.Json.GetProperty("sigmas") is { ValueKind: JsonValueKind.Array } sigmas)
        {
            IEnumerable<NoiseLevel> levels = [.. plan.Rows.Select(row => row.Level), NoiseLevel.Clean];
            c.Expect("sigmas", [.. levels.Select(level => (float)(level.Sigma / level.Alpha))], Numbers(sigmas), LastPlace);
        }

        // The reference computes its coefficients in F32, which the SDE's square roots of differences feel most. A run in F32 also
        // rounds the latents once a step.
        double tolerance = name.Contains("sde") ? 2e-5 : 2e-6;
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
