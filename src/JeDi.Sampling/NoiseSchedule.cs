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

/// <summary>What a sampler makes of betas that are to leave no signal at the last timestep.</summary>
enum ZeroSnr
{
    /// <summary>It does not know them, and takes the betas as they are.</summary>
    Unknown,

    /// <summary>The last alphas_cumprod is 0.</summary>
    Exact,

    /// <summary>The last alphas_cumprod is 2^-24, so that its sigma is a number.</summary>
    Substituted,
}

/// <summary>
/// The diffusion process that a network was trained on: beta_t, and from it alphas_cumprod_t = prod over s &lt;= t of (1 - beta_s)
/// (Ho et al. 2020). The tables are F32 and have the bits of PyTorch's: every published checkpoint was trained and is sampled with
/// those, and computed exactly 1 - alphas_cumprod_0 would differ by 3e-5.
/// </summary>
public sealed class NoiseSchedule
{
    /// <summary>2^-24, the smallest subnormal half.</summary>
    const float NearlyNothing = 1f / (1 << 24);

    readonly float[] alphasCumprod;
    readonly float[] sigmas;
    readonly float[] logSigmas;

    /// <summary>The levels of a config.</summary>
    public NoiseSchedule(ScheduleConfig config)
        : this(config, Products(Betas(config)))
    {
    }

    NoiseSchedule(ScheduleConfig config, float[] alphasCumprod)
    {
        Config = config;
        this.alphasCumprod = alphasCumprod;
        sigmas = [.. alphasCumprod.Select(a => MathF.Sqrt((1 - a) / a))];
        logSigmas = [.. sigmas.Select(sigma => MathF.Log(sigma))];
    }

    /// <summary>The schedule of Stable Diffusion 1.x: scaled_linear, 0.00085 to 0.012, 1000 timesteps.</summary>
    public static NoiseSchedule StableDiffusion { get; } = new(new ScheduleConfig());

    /// <summary>Where the tables come from, and how they are to be sampled.</summary>
    public ScheduleConfig Config { get; }

    /// <summary>Number of timesteps that the network was trained on, T.</summary>
    public int TrainSteps => alphasCumprod.Length;

    /// <summary>prod (1 - beta) up to and including each timestep.</summary>
    public ReadOnlySpan<float> AlphasCumprod => alphasCumprod;

    /// <summary>sqrt(a), sqrt(1 - a) at an integer timestep; below 0 the level that the last step goes to.</summary>
    public NoiseLevel LevelAt(int timestep)
    {
        if (timestep < 0 && Config.FinalAlphaIsOne)
        {
            return NoiseLevel.Clean;
        }

        double a = alphasCumprod[Math.Max(0, timestep)];
        return new NoiseLevel(Math.Sqrt(a), Math.Sqrt(1 - a));
    }

    /// <summary>sigma(t) = sqrt((1 - a_t) / a_t), linear between the integer timesteps, rounded to F32.</summary>
    public float SigmaAt(double timestep)
    {
        int low = Math.Min((int)timestep, TrainSteps - 1);
        int high = Math.Min(low + 1, TrainSteps - 1);
        return (float)(sigmas[low] + ((double)sigmas[high] - sigmas[low]) * (timestep - low));
    }

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

    /// <summary>The levels that a network of this config learns from; the last is noise alone where the config says so.</summary>
    public NoiseSchedule Learned => For(ZeroSnr.Exact);

    /// <summary>The tables for a sampler that treats vanishing signal in this way.</summary>
    internal NoiseSchedule For(ZeroSnr kind)
    {
        if (!Config.ZeroSnr || kind == ZeroSnr.Unknown)
        {
            return this;
        }

        float[] products = Products(WithoutSignal(alphasCumprod));
        products[^1] = kind == ZeroSnr.Substituted ? NearlyNothing : products[^1];
        return new NoiseSchedule(Config, products);
    }

    static float[] Betas(ScheduleConfig config)
    {
        int count = config.TrainSteps;
        switch (config.Betas)
        {
            case BetaSchedule.Linear:
                return Linspace((float)config.BetaStart, (float)config.BetaEnd, count);
            case BetaSchedule.SquaredCosine:
                return [.. Enumerable.Range(0, count).Select(i =>
                    (float)Math.Min(1 - SquaredCosine((i + 1.0) / count) / SquaredCosine((double)i / count), 0.999))];
            default:
                float[] roots = Linspace((float)Math.Sqrt(config.BetaStart), (float)Math.Sqrt(config.BetaEnd), count);
                return [.. roots.Select(root => root * root)];
        }
    }

    static double SquaredCosine(double share)
    {
        double cosine = Math.Cos((share + 0.008) / 1.008 * Math.PI / 2);
        return cosine * cosine;
    }

    /// <summary>Products of 1 - beta, as PyTorch rounds them.</summary>
    static float[] Products(float[] betas)
    {
        var products = new float[betas.Length];
        double product = 1;
        for (int t = 0; t < products.Length; t++)
        {
            product *= 1 - betas[t];
            products[t] = (float)product;
        }

        return products;
    }

    /// <summary>
    /// Betas whose sqrt(alphas_cumprod) is shifted and scaled so that the last is 0 and the first stays (Lin et al. 2024, algorithm 1).
    /// </summary>
    static float[] WithoutSignal(float[] products)
    {
        float[] roots = [.. products.Select(a => MathF.Sqrt(a))];
        float first = roots[0];
        float last = roots[^1];
        float scale = first / (first - last);
        float[] squares = [.. roots.Select(root => (root - last) * scale).Select(root => root * root)];
        return [.. squares.Select((square, t) => 1 - (t == 0 ? square : square / squares[t - 1]))];
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
