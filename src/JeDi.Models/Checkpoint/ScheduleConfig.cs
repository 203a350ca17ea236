namespace JeDi.Models;

/// <summary>The noise schedule that a network was trained on, from scheduler_config.json.</summary>
/// <param name="BetaStart">Beta of the first timestep.</param>
/// <param name="BetaEnd">Beta of the last timestep.</param>
/// <param name="TrainSteps">Number of timesteps.</param>
/// <param name="Scaled">The square root of beta is linear in the timestep (scaled_linear), not beta itself.</param>
public sealed record ScheduleConfig(double BetaStart = 0.00085, double BetaEnd = 0.012, int TrainSteps = 1000, bool Scaled = true)
{
    /// <exception cref="CheckpointException">A setting is wrong or not supported.</exception>
    public static ScheduleConfig Read(ConfigReader json)
    {
        json.Only("prediction_type", "epsilon");
        json.Only("beta_schedule", "scaled_linear", "linear");
        json.Only("trained_betas", "null");
        json.Only("rescale_betas_zero_snr", "false");
        double start = json.Number("beta_start", 1e-9, 0.999, 0.00085);
        double end = json.Number("beta_end", start, 0.999, 0.012);
        return new ScheduleConfig(start, end, json.Int("num_train_timesteps", 50, 100_000, 1000), json.Text("beta_schedule") != "linear");
    }
}

/// <summary>What model_index.json says under <c>defaults</c>; null where it says nothing.</summary>
public sealed record ModelDefaults(
    int? Width = null,
    int? Height = null,
    int? Steps = null,
    string? Sampler = null,
    string? Guidance = null,
    double? TextScale = null,
    double? ImageScale = null)
{
    public static ModelDefaults Read(ConfigReader? index) => index?.Object("defaults") is not ConfigReader json ? new() : new(
        json.Has("width") ? json.Int("width", 64, 1 << 15) : null,
        json.Has("height") ? json.Int("height", 64, 1 << 15) : null,
        json.Has("steps") ? json.Int("steps", 1, 1000) : null,
        json.Text("sampler"),
        json.Text("guidance"),
        json.Has("text_scale") ? json.Number("text_scale", -1000, 1000) : null,
        json.Has("image_scale") ? json.Number("image_scale", -1000, 1000) : null);
}
