using JeDi.Models;

namespace JeDi.Sampling;

/// <summary>How much of the image and how much noise a latent holds: x = Alpha x0 + Sigma noise.</summary>
public readonly record struct NoiseLevel(double Alpha, double Sigma)
{
    /// <summary>The image itself.</summary>
    public static NoiseLevel Clean => new(1, 0);

    /// <summary>x0 + sigma noise: the form in which Euler and Heun samplers keep their latents.</summary>
    public static NoiseLevel VarianceExploding(double sigma) => new(1, sigma);

    /// <summary>(x0 + sigma noise) / sqrt(1 + sigma^2): the same level with unit variance.</summary>
    public static NoiseLevel VariancePreserving(double sigma)
    {
        double alpha = 1 / Math.Sqrt(1 + sigma * sigma);
        return new(alpha, sigma * alpha);
    }
}

/// <summary>
/// The diffusion process that a network was trained on: beta_t, and from it alphas_cumprod_t = prod over s &lt;= t of (1 - beta_s)
/// (Ho et al. 2020). The tables are F32 and have the bits of PyTorch's: every published checkpoint was trained and is sampled with
/// those, and computed exactly 1 - alphas_cumprod_0 would differ by 3e-5.
/// </summary>
public sealed class NoiseSchedule
{
    readonly float[] alphasCumprod;
    readonly float[] sigmas;
    readonly float[] logSigmas;

    public NoiseSchedule(ScheduleConfig config)
    {
        int trainSteps = config.TrainSteps;
        float[] betas = config.Scaled
            ? Linspace((float)Math.Sqrt(config.BetaStart), (float)Math.Sqrt(config.BetaEnd), trainSteps)
            : Linspace((float)config.BetaStart, (float)config.BetaEnd, trainSteps);
        alphasCumprod = new float[trainSteps];
        sigmas = new float[trainSteps];
        logSigmas = new float[trainSteps];
        double product = 1;
        for (int t = 0; t < trainSteps; t++)
        {
            float beta = config.Scaled ? betas[t] * betas[t] : betas[t];
            product *= 1 - beta;
            float a = (float)product;
            alphasCumprod[t] = a;
            sigmas[t] = MathF.Sqrt((1 - a) / a);
            logSigmas[t] = MathF.Log(sigmas[t]);
        }
    }

    /// <summary>The schedule of Stable Diffusion 1.x: scaled_linear, 0.00085 to 0.012, 1000 timesteps.</summary>
    public static NoiseSchedule StableDiffusion { get; } = new(new ScheduleConfig());

    /// <summary>Number of timesteps that the network was trained on, T.</summary>
    public int TrainSteps => alphasCumprod.Length;

    /// <summary>prod (1 - beta) up to and including each timestep.</summary>
    public ReadOnlySpan<float> AlphasCumprod => alphasCumprod;

    /// <summary>sqrt(a), sqrt(1 - a) at an integer timestep; below 0 the level of timestep 0, as DDIM's final step wants it.</summary>
    public NoiseLevel LevelAt(int timestep)
    {
        double a = alphasCumprod[Math.Max(0, timestep)];
        return new NoiseLevel(Math.Sqrt(a), Math.Sqrt(1 - a));
    }

    /// <summary>sigma(t) = sqrt((1 - a_t) / a_t) at an integer timestep.</summary>
    public float SigmaAt(int timestep) => sigmas[timestep];

    /// <summary>
    /// The real-valued timestep whose log sigma, interpolated linearly between the integer timesteps, is that of
    /// <paramref name="sigma"/>; within [0, T - 1].
    /// </summary>
    public double TimestepOf(double sigma)
    {
        double log = Math.Log(sigma);
        int above = Array.FindIndex(logSigmas, value => value > log);
        int low = above < 0 ? TrainSteps - 2 : Math.Clamp(above - 1, 0, TrainSteps - 2);
        double weight = Math.Clamp((log - logSigmas[low]) / (logSigmas[low + 1] - logSigmas[low]), 0, 1);
        return low + weight;
    }

    /// <summary>torch.linspace in F32: counted from both ends, multiply and add rounded once.</summary>
    static float[] Linspace(float start, float end, int count)
    {
        var values = new float[count];
        float step = (end - start) / (count - 1);
        for (int i = 0; i < count; i++)
        {
            values[i] = i < count / 2
                ? MathF.FusedMultiplyAdd(step, i, start)
                : MathF.FusedMultiplyAdd(-step, count - 1 - i, end);
        }

        return values;
    }
}
