using System.Text.RegularExpressions;

namespace JeDi.Cli;

/// <summary>The engine's messages name its settings as <c>Type.Property</c>; a person at a shell knows options.</summary>
public static partial class OptionNames
{
    static readonly Dictionary<string, string> options = new(StringComparer.Ordinal)
    {
        ["EngineOptions.Device"] = "--device",
        ["EngineOptions.DType"] = "--dtype",
        ["EngineOptions.Threads"] = "--threads",
        ["EngineOptions.KeptFilterBytes"] = "--memory",
        ["EngineOptions.LowMemory"] = "--low-memory",
        ["EngineOptions.Loras"] = "--lora",
        ["EngineOptions.Embeddings"] = "--embedding",
        ["EngineOptions.Vae"] = "--vae",
        ["EngineOptions.Tokenizer"] = "--tokenizer",
        ["SessionShape.References"] = "--reference",
        ["SessionShape.Width"] = "--width",
        ["SessionShape.Height"] = "--height",
        ["SessionShape.Steps"] = "--steps",
        ["SessionShape.Strength"] = "--strength",
        ["SessionShape.Inpaint"] = "--inpaint",
        ["SessionShape.Rescale"] = "--rescale",
        ["SessionShape.ReuseInterval"] = "--deep-cache",
        ["SessionShape.VaeTiling"] = "--vae-tiling",
        ["SessionShape.TextChunks"] = "--prompt-syntax",
        ["JeDiRequest.Seed"] = "--seed",
        ["JeDiRequest.ClipSkip"] = "--clip-skip",
        ["JeDiRequest.TextScale"] = "--text-scale",
        ["JeDiRequest.ImageScale"] = "--image-scale",
    };

    /// <summary>Every setting that has an option.</summary>
    public static IReadOnlyDictionary<string, string> All => options;

    /// <summary>The message with options in the place of settings, and their values as an option has them.</summary>
    public static string In(string message) => Setting().Replace(message, match =>
        options.TryGetValue(match.Groups["name"].Value, out string? option)
            ? option + Value(option, match.Groups["value"].Value)
            : match.Value);

    /// <summary>What an argument exception says, as the option that its argument came from.</summary>
    public static string Of(ArgumentException wrong)
    {
        string text = wrong.Message.Split(" (Parameter '")[0];
        string? setting = options.Keys.FirstOrDefault(key => key.EndsWith($".{wrong.ParamName}", StringComparison.Ordinal));
        return setting is null ? $"{wrong.ParamName}: {text}" : $"{options[setting]}: {text}";
    }

    static string Value(string option, string value) => (option, value) switch
    {
        (_, "") => "",
        ("--low-memory", "true") => "",
        (_, "true") => " on",
        (_, "false") => " off",
        _ => $" {value}",
    };

    [GeneratedRegex(@"\b(?<name>(EngineOptions|SessionShape|JeDiRequest)\.\w+)( = (?<value>\w+))?")]
    private static partial Regex Setting();
}
