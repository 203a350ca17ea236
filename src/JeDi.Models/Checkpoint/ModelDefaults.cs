namespace JeDi.Models;

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
    /// <summary>From model_index.json; null gives none.</summary>
    public static ModelDefaults Read(ConfigReader? index) => index?.Object("defaults") is not ConfigReader json ? new() : new(
        json.Has("width") ? json.Int("width", 64, 1 << 15) : null,
        json.Has("height") ? json.Int("height", 64, 1 << 15) : null,
        json.Has("steps") ? json.Int("steps", 1, 1000) : null,
        json.Text("sampler"),
        json.Text("guidance"),
        json.Has("text_scale") ? json.Number("text_scale", -1000, 1000) : null,
        json.Has("image_scale") ? json.Number("image_scale", -1000, 1000) : null);
}
