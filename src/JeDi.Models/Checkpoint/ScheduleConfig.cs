namespace JeDi.Models;

/// <summary>How the noise of a timestep grows.</summary>
public enum BetaSchedule
{
    /// <summary>The square root of beta is linear in the timestep.</summary>
    ScaledLinear,

    /// <summary>Beta is linear in the timestep.</summary>
    Linear,

    /// <summary>The product of 1 - beta is a squared cosine (Nichol and Dhariwal 2021); no beta is over 0.999.</summary>
    SquaredCosine,
}

/// <summary>What a network was trained to predict of x = alpha x0 + sigma noise.</summary>
public enum PredictionType
{
    /// <summary>The noise.</summary>
    Epsilon,

    /// <summary>v = alpha noise - sigma x0.</summary>
    V,

    /// <summary>The image x0.</summary>
    Sample,
}

/// <summary>Which of the training timesteps a run visits.</summary>
public enum TimestepSpacing
{
    /// <summary>Multiples of T div n, and an offset.</summary>
    Leading,

    /// <summary>Counted down from the last one.</summary>
    Trailing,

    /// <summary>From the first one to the last one.</summary>
    Linspace,
}

/// <summary>
/// The noise schedule that a network was trained on and how it is to be sampled, from scheduler_config.json. A key that is absent leaves
/// the rules of Stable Diffusion 1.x as they are.
/// </summary>
public sealed record ScheduleConfig
{
    /// <summary>Beta of the first timestep.</summary>
    public double BetaStart { get; init; } = 0.00085;

    /// <summary>Beta of the last timestep.</summary>
    public double BetaEnd { get; init; } = 0.012;

    /// <summary>Number of timesteps.</summary>
    public int TrainSteps { get; init; } = 1000;

    /// <summary>How the noise grows from step to step.</summary>
    public BetaSchedule Betas { get; init; }

    /// <summary>What the network predicts.</summary>
    public PredictionType Prediction { get; init; }

    /// <summary>Which of the trained timesteps a run visits.</summary>
    public TimestepSpacing Spacing { get; init; }

    /// <summary>Added to the timesteps of leading spacing.</summary>
    public int Offset { get; init; } = 1;

    /// <summary>The betas are scaled so that nothing of the image is left at the last timestep.</summary>
    public bool ZeroSnr { get; init; }

    /// <summary>The last step of ddim and pndm goes to alpha 1 instead of that of timestep 0.</summary>
    public bool FinalAlphaIsOne { get; init; }

    /// <summary>The last step of euler, dpmpp and unipc goes to the table's smallest sigma instead of 0.</summary>
    public bool FinalSigmaIsSmallest { get; init; }

    /// <summary>Samplers that have a form with Karras' sigmas take it.</summary>
    public bool Karras { get; init; }

    /// <summary>The sampler that the file was saved with, if it is one that there is.</summary>
    public string? Sampler { get; init; }

    /// <exception cref="CheckpointException">A setting is wrong or not supported.</exception>
    public static ScheduleConfig Read(ConfigReader json)
    {
        foreach ((string key, string[] allowed) in SchedulerKeys.Only)
        {
            json.Only(key, allowed);
        }

        double start = json.Number("beta_start", 1e-9, 0.999, 0.00085);
        int trainSteps = json.Int("num_train_timesteps", 50, 100_000, 1000);
        bool karras = json.Bool("use_karras_sigmas", false);
        return new ScheduleConfig
        {
            BetaStart = start,
            BetaEnd = json.Number("beta_end", start, 0.999, 0.012),
            TrainSteps = trainSteps,
            Betas = json.OneOf(
                "beta_schedule",
                ("scaled_linear", BetaSchedule.ScaledLinear),
                ("linear", BetaSchedule.Linear),
                ("squaredcos_cap_v2", BetaSchedule.SquaredCosine)),
            Prediction = json.OneOf(
                "prediction_type",
                ("epsilon", PredictionType.Epsilon),
                ("v_prediction", PredictionType.V),
                ("sample", PredictionType.Sample)),
            Spacing = json.OneOf(
                "timestep_spacing",
                ("leading", TimestepSpacing.Leading),
                ("trailing", TimestepSpacing.Trailing),
                ("linspace", TimestepSpacing.Linspace)),
            Offset = json.Int("steps_offset", 0, trainSteps - 1, 1),
            ZeroSnr = json.Bool("rescale_betas_zero_snr", false),
            FinalAlphaIsOne = json.Bool("set_alpha_to_one", false),
            FinalSigmaIsSmallest = json.OneOf("final_sigmas_type", ("zero", false), ("sigma_min", true)),
            Karras = karras,
            Sampler = SchedulerKeys.SamplerOf(json.Text("_class_name"), json.Text("algorithm_type"), karras),
        };
    }

    /// <summary>What a file says that changes nothing here although it may be meant to: one line for each such key.</summary>
    public static IEnumerable<string> Doubts(ConfigReader json)
    {
        foreach (string key in json.Names.Where(name => !SchedulerKeys.Known.Contains(name)))
        {
            yield return $"{json.Origin}: '{key}' is not known and changes nothing";
        }

        if (json.Text("_class_name") is string name && SchedulerKeys.SamplerOf(name, null, false) is null)
        {
            yield return $"{json.Origin}: there is no {name}; the default sampler is ddim";
        }
    }
}
