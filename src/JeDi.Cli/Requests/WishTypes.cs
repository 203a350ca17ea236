using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using JeDi.Files;

namespace JeDi.Cli.Requests;

/// <summary>Whether wishes in JSON have known names and values of the right types; says which is wrong and what is wanted.</summary>
static class WishTypes
{
    const string Text = "a text";

    /// <summary>Every name that a wish may have.</summary>
    public static IEnumerable<string> Names => Known(SettingsJson.Default.SampleSettings).Select(property => property.Name);

    /// <exception cref="UsageException">The first thing that is wrong.</exception>
    public static void Check(JsonObject json)
    {
        foreach ((string name, JsonNode? value) in json)
        {
            Type type = TypeOf(name, "", "the names are those of the options without the dashes", SettingsJson.Default.SampleSettings);
            Check(name, value, type);
        }
    }

    static void CheckReference(string name, JsonNode? value)
    {
        if (value is not JsonObject reference)
        {
            Expect(value is not null && IsText(name, value), name, value, "FILE,NAME=VALUE,... or an object, or a list of these,");
            return;
        }

        JsonTypeInfo<ReferenceSettings> type = ReferenceJson.Default.ReferenceSettings;
        foreach ((string part, JsonNode? content) in reference)
        {
            Check($"{name}: {part}", content, TypeOf(part, $"{name}: ", $"there are {string.Join(", ", NamesOf(type))}", type));
        }

        if (reference["file"] is null)
        {
            throw new UsageException($"'{name}': the image is missing; give it as 'file'");
        }
    }

    /// <summary>Null stands for what is not said.</summary>
    static void Check(string name, JsonNode? value, Type type)
    {
        if (type == typeof(ReferenceSettings[]))
        {
            foreach (JsonNode? item in Items(value))
            {
                CheckReference(name, item);
            }
        }
        else if (type == typeof(string[]))
        {
            Expect(Items(value).All(item => item is not null && IsText(name, item)), name, value, "a text or a list of texts");
        }
        else if (type == typeof(string))
        {
            Expect(value is null || IsText(name, value), name, value, Text);
        }
        else if (type == typeof(bool))
        {
            Expect(value?.GetValueKind() is JsonValueKind.True or JsonValueKind.False, name, value, "true or false");
        }
        else if (type == typeof(double?))
        {
            bool fits = GivenNumber.TryDouble(Number(value), out _);
            Expect(value is null || fits, name, value, "a number");
        }
        else
        {
            long most = type == typeof(int?) ? int.MaxValue : long.MaxValue;
            bool fits = long.TryParse(Number(value), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number);
            bool whole = fits || (Number(value) is string digits && digits.TrimStart('-').All(char.IsAsciiDigit));
            string wanted = whole && GivenNumber.Range(name) is string range ? range : "a whole number";
            Expect(value is null || (fits && number >= -most && number <= most), name, value, wanted);
        }
    }

    /// <summary>A list's items; one value alone stands for a list of one.</summary>
    static IEnumerable<JsonNode?> Items(JsonNode? value)
    {
        if (value is not JsonArray list)
        {
            return value is null ? [] : Enumerable.Repeat(value, 1);
        }

        return list;
    }

    static string? Number(JsonNode? value) => value?.GetValueKind() == JsonValueKind.Number ? value.ToJsonString() : null;

    /// <summary>JSON can spell half of a character, which no text can hold.</summary>
    static bool IsText(string name, JsonNode value)
    {
        try
        {
            return value is JsonValue text && text.TryGetValue(out string? _);
        }
        catch (InvalidOperationException)
        {
            throw new UsageException($"'{name}': holds half of a character (\\ud800 to \\udfff alone)");
        }
    }

    static void Expect(bool fits, string name, JsonNode? value, string wanted)
    {
        if (!fits)
        {
            throw new UsageException($"'{name}': {wanted} is wanted, not {Kind(value)}");
        }
    }

    static string Kind(JsonNode? value) => value?.GetValueKind() switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => Text,
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Number when value.ToJsonString() is { Length: < 20 } number => number,
        JsonValueKind.Number => "so long a number",
        _ => "null",
    };

    static Type TypeOf(string name, string where, string advice, JsonTypeInfo type) =>
        Known(type).FirstOrDefault(property => property.Name == name)?.PropertyType
        ?? throw new UsageException($"{where}unknown name '{name}'; {NearMiss.Suggest(name, NamesOf(type))}{advice}");

    static IEnumerable<string> NamesOf(JsonTypeInfo type) => Known(type).Select(property => property.Name);

    /// <summary>Without what is computed from the others.</summary>
    static IEnumerable<JsonPropertyInfo> Known(JsonTypeInfo type) => type.Properties.Where(property => property.Get is not null);
}
