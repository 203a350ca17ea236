using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Cli.Requests;
using JeDi.Files;

namespace JeDi.Cli.Output;

/// <summary>
/// What a picture was made of, as it is kept inside the PNG: text under <c>parameters</c>, in the form that picture viewers show, and
/// everything needed to make it again as JSON under <c>jedi</c>. Paths are relative to the picture's folder.
/// </summary>
/// <param name="Wishes">All wishes of the picture's set, with the model's defaults filled in.</param>
/// <param name="Picture">Which of the set's pictures it is, from 0.</param>
/// <param name="Files">SHA-256 of each picture file that went in.</param>
public sealed record PictureParameters(SampleSettings Wishes, int Picture, IReadOnlyDictionary<string, string> Files)
{
    /// <summary>Keyword of the text for people.</summary>
    public const string TextKey = "parameters";

    /// <summary>Keyword of the JSON.</summary>
    public const string JsonKey = "jedi";

    /// <summary>The engine's name and version.</summary>
    public static string Engine { get; } = $"JeDiNative {typeof(PictureParameters).Assembly.GetName().Version!.ToString(3)}";

    /// <summary>The seed whose random numbers the picture started from.</summary>
    public long Seed => Wishes.Seed!.Value + Picture;

    string Prompt => Wishes.Prompt[Math.Min(Picture, Wishes.Prompt.Length - 1)];

    /// <summary>Prompt, negative prompt, then one line of settings.</summary>
    public string ToText()
    {
        SampleSettings wishes = Wishes;
        var text = new StringBuilder(Prompt).Append('\n');
        if (!string.IsNullOrEmpty(wishes.Negative))
        {
            text.Append("Negative prompt: ").Append(wishes.Negative).Append('\n');
        }

        string model = Path.TrimEndingDirectorySeparator(Path.GetFullPath(wishes.Model ?? ModelFinder.Default));
        List<string> values =
        [
            $"Steps: {wishes.Steps}",
            $"Sampler: {wishes.Sampler}",
            $"CFG scale: {Number(wishes.TextScale)}",
            $"Seed: {Seed}",
            $"Size: {wishes.Width}x{wishes.Height}",
            $"Model: {Path.GetFileNameWithoutExtension(model)}",
            $"Guidance: {wishes.Guidance}",
        ];
        Add(values, "Image scale", wishes.Guidance is "text-first" or "image-first" ? Number(wishes.ImageScale) : null);
        Add(values, "Rescale", wishes.Rescale is > 0 ? Number(wishes.Rescale) : null);
        Add(values, "Guidance range", wishes.GuidanceRange);
        Add(values, "Deep cache", wishes.DeepCache is > 1 ? wishes.DeepCache.Value.ToString(CultureInfo.InvariantCulture) : null);
        Add(values, "References", wishes.Reference.Length > 0 ? wishes.Reference.Length.ToString(CultureInfo.InvariantCulture) : null);
        Add(values, "Together", wishes.Together ? $"{Picture + 1} of {wishes.Pictures}" : null);
        Add(values, "Denoising strength", wishes.Init is null ? null : Number(wishes.Strength));
        Add(values, "Lora", wishes.Lora.Length > 0 ? string.Join(" ", wishes.Lora.Select(Path.GetFileName)) : null);
        Add(values, "Clip skip", wishes.ClipSkip is > 1 ? $"{wishes.ClipSkip}" : null);
        Add(values, "Prompt syntax", wishes.PromptSyntax is "weights" ? wishes.PromptSyntax : null);
        Add(values, "VAE", wishes.Vae is null ? null : Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(wishes.Vae)));
        Add(values, "TI", wishes.Embedding.Length > 0 ? string.Join(" ", wishes.Embedding.Select(Path.GetFileName)) : null);
        values.Add($"Version: {Engine}");
        return text.AppendJoin(", ", values).ToString();
    }

    /// <summary>The JSON, with paths relative to <paramref name="folder"/>.</summary>
    public string ToJson(string folder)
    {
        string Relative(string path) => Path.GetRelativePath(folder, path);

        // With a folder in front, so that it is not taken for a name in weights/.
        string Model(string model) => Path.Exists(model) ? Path.Combine(".", Relative(model)) : model;
        var files = new JsonObject(Files.Select(file => KeyValuePair.Create(Relative(file.Key), (JsonNode?)file.Value)));
        var json = new JsonObject
        {
            ["engine"] = Engine,
            ["picture"] = Picture,
            ["files"] = files,
            ["settings"] = Rebase(Wishes, Relative, Model).ToJson(),
        };
        return json.ToJsonString();
    }

    /// <summary>The wishes inside a picture; paths are resolved from the picture's folder.</summary>
    /// <param name="json">The text under <see cref="JsonKey"/>, null if the picture has none.</param>
    /// <param name="picture">The picture's path.</param>
    /// <exception cref="FileException">It has no parameters, or unusable ones.</exception>
    public static PictureParameters Parse(string? json, string picture)
    {
        if (json is null)
        {
            throw new FileException(picture, $"has no parameters inside ('{JsonKey}'): not made by jedi-native, or edited since");
        }

        try
        {
            string folder = Path.GetDirectoryName(Path.GetFullPath(picture))!;
            string Resolve(string path) => Path.GetFullPath(path, folder);
            string Model(string model) => model == Path.GetFileName(model) ? model : Resolve(model);
            JsonObject root = JsonNode.Parse(json)!.AsObject();
            SampleSettings wishes = SampleSettings.From(root["settings"]!.AsObject(), picture);
            IEnumerable<KeyValuePair<string, string>> files = (root["files"]?.AsObject() ?? [])
                .Select(file => KeyValuePair.Create(Resolve(file.Key), (string)file.Value!));
            return new PictureParameters(Rebase(wishes, Resolve, Model), (int)root["picture"]!, files.ToDictionary());
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException or ArgumentException)
        {
            throw new FileException(picture, $"its parameters ('{JsonKey}') cannot be read", error);
        }
    }

    /// <summary>The digest that <see cref="Files"/> keeps.</summary>
    public static string Digest(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    /// <summary>Every path of the wishes through <paramref name="map"/>, but the model, which may be a name.</summary>
    static SampleSettings Rebase(SampleSettings wishes, Func<string, string> map, Func<string, string> mapModel) => wishes with
    {
        Reference = [.. wishes.Reference.Select(r => r with { File = map(r.File), Mask = r.Mask is null ? null : map(r.Mask) })],
        Init = wishes.Init is null ? null : map(wishes.Init),
        Inpaint = wishes.Inpaint is null ? null : map(wishes.Inpaint),
        Tokenizer = wishes.Tokenizer is null ? null : map(wishes.Tokenizer),
        Lora = [.. wishes.Lora.Select(lora => LoraArgument.Map(lora, map))],
        Embedding = [.. wishes.Embedding.Select(embedding => EmbeddingArgument.Map(embedding, map))],
        Vae = wishes.Vae is null ? null : map(wishes.Vae),
        Model = wishes.Model is null ? null : mapModel(wishes.Model),
    };

    static void Add(List<string> values, string name, string? value)
    {
        if (value is not null)
        {
            values.Add($"{name}: {value}");
        }
    }

    static string Number(double? value) => value?.ToString("0.####", CultureInfo.InvariantCulture) ?? "";
}
