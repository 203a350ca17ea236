using System.Text.RegularExpressions;
using JeDi.Files.Safetensors;

namespace JeDi.Models;

/// <summary>
/// What PEFT says of a file's factors beside the tensors: alpha for all or for some modules, and whether it is divided by the root of the
/// rank; from the file's own <c>lora_adapter_metadata</c>, or an <c>adapter_config.json</c> beside it.
/// </summary>
sealed class LoraSettings
{
    const string MetadataKey = "lora_adapter_metadata";
    const string FileName = "adapter_config.json";
    const double MostAlpha = 1e6;

    readonly Dictionary<Component, ConfigReader> own = [];
    readonly ConfigReader? common;

    LoraSettings(ConfigReader? common, ConfigReader? metadata)
    {
        this.common = common;
        foreach ((Component component, string prefix) in new[] { (Component.UNet, "unet."), (Component.TextEncoder, "text_encoder.") })
        {
            if (metadata?.Names.Any(name => name.StartsWith(prefix, StringComparison.Ordinal)) == true)
            {
                own.Add(component, metadata.Below(prefix));
            }
        }
    }

    /// <exception cref="CheckpointException">It says what is not merged, or is no such file.</exception>
    public static LoraSettings Read(SafetensorsFile file)
    {
        ConfigReader? metadata = file.Metadata.TryGetValue(MetadataKey, out string? text)
            ? ConfigReader.Parse(text, $"{file.Path}: {MetadataKey}")
            : null;
        string beside = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file.Path))!, FileName);
        ConfigReader? common = metadata is null && File.Exists(beside)
            ? ConfigReader.Parse(ConfigReader.ReadText(beside), beside)
            : metadata;
        var settings = new LoraSettings(common, metadata);
        foreach (ConfigReader json in settings.own.Values.Append(common).OfType<ConfigReader>())
        {
            json.Only("peft_type", "LORA", "LOHA", "LOKR");
            json.Only("fan_in_fan_out", "false");
            json.Only("init_lora_weights", "true", "false", "gaussian", "orthogonal", "eva");
            json.Only("layer_replication", "null");
        }

        return settings;
    }

    /// <summary>The scale of a module's change at this rank, or null where nothing is said.</summary>
    /// <param name="module">Name in the folder form.</param>
    public double? Scale(Component component, string module, int rank)
    {
        ConfigReader? json = own.GetValueOrDefault(component) ?? (own.Count == 0 ? common : null);
        string key = json?.Has("lora_alpha") == true ? "lora_alpha" : "alpha";
        if (json?.Has(key) != true)
        {
            return null;
        }

        double alpha = json.Number(key, -MostAlpha, MostAlpha);
        if (json.Object("alpha_pattern") is ConfigReader patterns
            && patterns.Names.FirstOrDefault(pattern => Matches(pattern, module)) is string found)
        {
            alpha = patterns.Number(found, -MostAlpha, MostAlpha);
        }

        return alpha / (json.Bool("use_rslora", false) ? Math.Sqrt(rank) : rank);
    }

    /// <summary>The end of a module's name, as a regular expression.</summary>
    static bool Matches(string pattern, string module)
    {
        try
        {
            return Regex.IsMatch($"unet.{module}", $@"^(.*\.)?({pattern})$", RegexOptions.NonBacktracking)
                || Regex.IsMatch($"text_encoder.{module}", $@"^(.*\.)?({pattern})$", RegexOptions.NonBacktracking);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new CheckpointException($"'{pattern}' in alpha_pattern of {FileName} is no pattern of module names", error);
        }
    }
}
