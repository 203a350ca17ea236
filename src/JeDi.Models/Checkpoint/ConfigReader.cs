using System.Text.Json;
using JeDi.Files;

namespace JeDi.Models;

/// <summary>
/// One JSON object of a checkpoint. Keys that the engine does not know are ignored; a value of the wrong type or out of range, and a
/// setting that the engine does not compute, are refused by name.
/// </summary>
public sealed class ConfigReader
{
    const long LargestFile = 8L << 20;

    readonly JsonElement root;

    ConfigReader(JsonElement root, string origin)
    {
        this.root = root;
        Origin = origin;
    }

    /// <summary>For messages: the file.</summary>
    public string Origin { get; }

    /// <summary>The text of a config file.</summary>
    /// <exception cref="CheckpointException">It cannot be read, or is far too large for a config.</exception>
    public static string ReadText(string path)
    {
        try
        {
            return new FileInfo(path).Length <= LargestFile
                ? File.ReadAllText(path)
                : throw new CheckpointException($"{path}: over {LargestFile >> 20} MB, which is no config");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {error.Message.ReplaceLineEndings(" ")}", error);
        }
    }

    /// <exception cref="CheckpointException">Not a JSON object.</exception>
    public static ConfigReader Parse(string json, string origin)
    {
        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            using var document = JsonDocument.Parse(PythonJson.Standard(json), options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new ConfigReader(document.RootElement.Clone(), origin)
                : throw new CheckpointException($"{origin}: not a JSON object");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new CheckpointException($"{origin}: not valid JSON: {error.Message.ReplaceLineEndings(" ")}", error);
        }
    }

    /// <summary>All keys.</summary>
    public IEnumerable<string> Names => root.EnumerateObject().Select(entry => entry.Name);

    /// <summary>Whether the key is there, be it null.</summary>
    public bool Mentions(string name) => root.TryGetProperty(name, out _);

    /// <summary>Whether the key is there and not null.</summary>
    public bool Has(string name) => root.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>The keys that begin with <paramref name="prefix"/>, without it.</summary>
    public ConfigReader Below(string prefix)
    {
        IEnumerable<JsonProperty> part = root.EnumerateObject().Where(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal));
        var values = part.ToDictionary(entry => entry.Name[prefix.Length..], entry => entry.Value);
        return Parse(JsonSerializer.Serialize(values), $"{Origin}: {prefix}");
    }

    /// <summary>An object inside this one, or null.</summary>
    public ConfigReader? Object(string name) =>
        !Has(name) ? null
        : root.GetProperty(name) is { ValueKind: JsonValueKind.Object } value ? new ConfigReader(value, $"{Origin}: {name}")
        : throw Wrong(name, "is not an object");

    /// <summary>A whole number from least to most.</summary>
    /// <exception cref="CheckpointException">Absent without a default, no number, or outside.</exception>
    public int Int(string name, int smallest, int largest, int? otherwise = null) =>
        Has(name) ? Int(name, root.GetProperty(name), smallest, largest) : otherwise ?? throw Wrong(name, "is missing");

    /// <summary>A number from least to most.</summary>
    /// <exception cref="CheckpointException">Absent without a default, no number, or outside.</exception>
    public double Number(string name, double smallest, double largest, double? otherwise = null)
    {
        if (!Has(name))
        {
            return otherwise ?? throw Wrong(name, "is missing");
        }

        JsonElement value = root.GetProperty(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= smallest && number <= largest
            ? number
            : throw Wrong(name, $"is {Short(value)}; a number from {smallest} to {largest} is wanted");
    }

    /// <summary>True or false.</summary>
    /// <exception cref="CheckpointException">Something else.</exception>
    public bool Bool(string name, bool otherwise) =>
        !Has(name) ? otherwise
        : root.GetProperty(name) is { ValueKind: JsonValueKind.True or JsonValueKind.False } value ? value.GetBoolean()
        : throw Wrong(name, "is neither true nor false");

    /// <summary>A text, or null if the key is absent.</summary>
    public string? Text(string name) => Has(name) ? Text(name, root.GetProperty(name)) : null;

    /// <summary>A list of names, or null.</summary>
    public string[]? Texts(string name) =>
        !Has(name) ? null
        : root.GetProperty(name) is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray().Select(item => Text(name, item))]
        : throw Wrong(name, "is not a list");

    /// <summary>A list of whole numbers, or one number, as many times as asked for (count 0: the list's own length).</summary>
    public int[] Ints(string name, int smallest, int largest, int count = 0, int? otherwise = null)
    {
        if (!Has(name))
        {
            return otherwise is int value ? [.. Enumerable.Repeat(value, count)] : throw Wrong(name, "is missing");
        }

        JsonElement element = root.GetProperty(name);
        if (element.ValueKind != JsonValueKind.Array)
        {
            return [.. Enumerable.Repeat(Int(name, element, smallest, largest), Math.Max(1, count))];
        }

        int[] list = [.. element.EnumerateArray().Select(item => Int(name, item, smallest, largest))];
        return count == 0 || list.Length == count ? list : throw Wrong(name, $"has {list.Length} entries, {count} are wanted");
    }

    /// <summary>A list of numbers.</summary>
    public float[] Numbers(string name)
    {
        if (!Has(name) || root.GetProperty(name) is not { ValueKind: JsonValueKind.Array } list)
        {
            throw Wrong(name, "is no list of numbers");
        }

        return [.. list.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Number && item.TryGetSingle(out float value)
            ? value
            : throw Wrong(name, "is no list of numbers"))];
    }

    /// <summary>The value that a text stands for; absent and null count as the first.</summary>
    public T OneOf<T>(string name, params (string Text, T Value)[] known)
    {
        string? text = Text(name);
        int index = text is null ? 0 : Array.FindIndex(known, entry => entry.Text == text);
        string all = string.Join(", ", known.Select(entry => entry.Text));
        return index >= 0 ? known[index].Value : throw Wrong(name, $"is '{text}', which is not supported; supported: {all}");
    }

    /// <summary>Refuses a setting that the engine does not compute; absent and null count as the first of the allowed values.</summary>
    public void Only(string name, params ReadOnlySpan<string> allowed)
    {
        if (Has(name) && !allowed.Contains(Raw(root.GetProperty(name))))
        {
            throw Wrong(name, $"is {Short(root.GetProperty(name))}, which is not supported; supported: {string.Join(", ", allowed!)}");
        }
    }

    /// <summary>The exception for a value that cannot be: names file, key and what is wrong.</summary>
    public CheckpointException Wrong(string name, string what) => new($"{Origin}: '{name}' {what}");

    /// <summary>A whole number from least to most.</summary>
    /// <exception cref="CheckpointException">Absent without a default, no number, or outside.</exception>
    int Int(string name, JsonElement value, int smallest, int largest) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= smallest && number <= largest
            && number == Math.Floor(number)
            ? (int)number
            : throw Wrong(name, $"is {Short(value)}; a whole number from {smallest} to {largest} is wanted");

    string Text(string name, JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(name, "is not a text");
        }
        catch (InvalidOperationException error)
        {
            throw new CheckpointException($"{Origin}: '{name}' is not valid text", error);
        }
    }

    static string Raw(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number when value.TryGetDouble(out double number) => number.ToString(),
        JsonValueKind.String => value.GetRawText().Trim('"'),
        _ => value.GetRawText(),
    };

    static string Short(JsonElement value)
    {
        string text = value.GetRawText().ReplaceLineEndings(" ");
        return text.Length <= 60 ? text : text[..60] + "…";
    }
}
