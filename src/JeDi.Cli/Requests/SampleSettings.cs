using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace JeDi.Cli.Requests;

/// <summary>
/// The wishes of one request as given, null where nothing was said. Names in JSON are those of the options, so a line of a prompts
/// file, the parameters inside a picture and the command line are one thing: later ones lie over earlier ones, name by name.
/// </summary>
public sealed record SampleSettings
{
    [JsonConverter(typeof(TextsConverter))]
    public string[] Prompt { get; init => field = value ?? []; } = [];

    public string? Negative { get; init; }

    public string? PromptSyntax { get; init; }

    public int? ClipSkip { get; init; }

    [JsonConverter(typeof(ReferencesConverter))]
    public ReferenceSettings[] Reference { get; init => field = value ?? []; } = [];

    public string? Guidance { get; init; }

    public double? TextScale { get; init; }

    public double? ImageScale { get; init; }

    public double? Rescale { get; init; }

    public string? GuidanceRange { get; init; }

    public int? DeepCache { get; init; }

    public string? ReferenceNoise { get; init; }

    public string? Sampler { get; init; }

    public int? Steps { get; init; }

    public int? Width { get; init; }

    public int? Height { get; init; }

    public int? N { get; init; }

    public long? Seed { get; init; }

    public bool Together { get; init; }

    public string? Rng { get; init; }

    public string? Init { get; init; }

    public double? Strength { get; init; }

    public string? Inpaint { get; init; }

    public string? VaeTiling { get; init; }

    public string? Fit { get; init; }

    public string? Model { get; init; }

    public string? Tokenizer { get; init; }

    [JsonConverter(typeof(TextsConverter))]
    public string[] Lora { get; init => field = value ?? []; } = [];

    [JsonConverter(typeof(TextsConverter))]
    public string[] Embedding { get; init => field = value ?? []; } = [];

    public string? Vae { get; init; }

    public string? PreviewVae { get; init; }

    public string? Device { get; init; }

    public string? Dtype { get; init; }

    public int? Threads { get; init; }

    public string? Winograd { get; init; }

    public string? Weights { get; init; }

    public int? Memory { get; init; }

    public bool LowMemory { get; init; }

    /// <summary>Names that hold for a whole run: a line of a prompts file cannot change them.</summary>
    public static IReadOnlyList<string> OfTheRun { get; } =
    [
        "model", "tokenizer", "lora", "embedding", "vae", "preview-vae", "device", "dtype", "threads", "winograd", "weights", "memory",
        "low-memory",
        "output", "grid", "attention-map", "preview", "quiet", "json", "verbose", "prompts-from", "params-from",
    ];

    /// <summary>Pictures that the request makes.</summary>
    [JsonIgnore]
    public int Pictures => N ?? Math.Max(1, Prompt.Length);

    /// <param name="json">Wishes by name.</param>
    /// <param name="where">For messages: the file and line, or nothing for the command line.</param>
    /// <exception cref="UsageException">An unknown name or a value of the wrong type.</exception>
    public static SampleSettings From(JsonObject json, string where)
    {
        try
        {
            WishTypes.Check(json);
            return json.Deserialize(SettingsJson.Default.SampleSettings)!;
        }
        catch (UsageException wrong)
        {
            throw new UsageException($"{where}: {wrong.Message}");
        }
    }

    /// <summary>What was said; nothing for what was not.</summary>
    public JsonObject ToJson()
    {
        JsonObject json = JsonSerializer.SerializeToNode(this, SettingsJson.Default.SampleSettings)!.AsObject();
        foreach (string name in json.Where(entry => entry.Value is JsonArray { Count: 0 }).Select(entry => entry.Key).ToList())
        {
            json.Remove(name);
        }

        return json;
    }

    /// <summary><paramref name="over"/> laid over <paramref name="under"/>, name by name.</summary>
    public static JsonObject Merge(JsonObject under, JsonObject over)
    {
        JsonObject merged = under.DeepClone().AsObject();
        foreach ((string name, JsonNode? value) in over)
        {
            merged[name] = value?.DeepClone();
        }

        return merged;
    }
}

/// <summary>How settings are written: the options' names, nothing for what was not given, unknown names refused.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.KebabCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(SampleSettings))]
sealed partial class SettingsJson : JsonSerializerContext;

/// <summary>A reference as an object, without the short text form.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.KebabCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(ReferenceSettings))]
sealed partial class ReferenceJson : JsonSerializerContext;

/// <summary>A list of texts, where one text alone stands for a list of one.</summary>
sealed class TextsConverter : JsonConverter<string[]>
{
    public override string[] Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return [reader.GetString()!];
        }

        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new JsonException();
        }

        var texts = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            texts.Add(reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new JsonException());
        }

        return [.. texts];
    }

    public override void Write(Utf8JsonWriter writer, string[] value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (string text in value)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }
}
