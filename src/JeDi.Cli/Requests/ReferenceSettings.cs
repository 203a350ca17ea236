using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace JeDi.Cli.Requests;

/// <summary>
/// A reference as a person names it: <c>dog.jpg,caption=a dog\, running,weight=0.7,mask=m.png,start=0,end=0.8</c> (a comma in a value is
/// written <c>\,</c>, a backslash before a comma <c>\\</c>), or the same as a JSON object.
/// </summary>
/// <param name="File">The photo.</param>
public sealed record ReferenceSettings(string File)
{
    public string? Caption { get; init; }

    public double? Weight { get; init; }

    public string? Mask { get; init; }

    public double? Start { get; init; }

    public double? End { get; init; }

    /// <exception cref="UsageException">No file, an unknown or doubled name, or a value that is no number.</exception>
    public static ReferenceSettings Parse(string text)
    {
        List<string> parts = Split(text);
        if (parts[0].Length == 0)
        {
            throw new UsageException($"--reference {text}: starts with the image file; write --reference dog.jpg,caption=a dog");
        }

        var reference = new ReferenceSettings(parts[0]);
        var seen = new HashSet<string>();
        foreach (string part in parts.Skip(1))
        {
            int equals = part.IndexOf('=');
            string name = equals < 0 ? part : part[..equals].Trim();
            string value = equals < 0 ? "" : part[(equals + 1)..];
            if (equals < 0)
            {
                throw new UsageException($"--reference {text}: '{part}' is not NAME=VALUE; write a comma within a value as \\,");
            }

            if (!seen.Add(name))
            {
                throw new UsageException($"--reference {text}: {name} is given twice");
            }

            reference = name switch
            {
                "caption" => reference with { Caption = value },
                "weight" => reference with { Weight = Number(text, name, value) },
                "mask" => reference with { Mask = value },
                "start" => reference with { Start = Number(text, name, value) },
                "end" => reference with { End = Number(text, name, value) },
                _ => throw new UsageException($"--reference {text}: unknown '{name}'; there are caption, weight, mask, start, end"),
            };
        }

        return reference;
    }

    public JsonNode ToJson() => JsonSerializer.SerializeToNode(this, ReferenceJson.Default.ReferenceSettings)!;

    /// <summary>Cuts at commas that no backslash precedes.</summary>
    static List<string> Split(string text)
    {
        var parts = new List<string>();
        var part = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length && text[i + 1] is ',' or '\\')
            {
                part.Append(text[++i]);
            }
            else if (text[i] == ',')
            {
                parts.Add(part.ToString());
                part.Clear();
            }
            else
            {
                part.Append(text[i]);
            }
        }

        parts.Add(part.ToString());
        return parts;
    }

    static double Number(string text, string name, string value) =>
        GivenNumber.TryDouble(value, out double number)
            ? number
            : throw new UsageException($"--reference {text}: {name}={value} is not a number");
}

/// <summary>In JSON a reference is an object, or the text that <c>--reference</c> takes; one alone stands for a list of one.</summary>
public sealed class ReferencesConverter : JsonConverter<ReferenceSettings[]>
{
    public override ReferenceSettings[] Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            return [One(ref reader)];
        }

        var references = new List<ReferenceSettings>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            references.Add(One(ref reader));
        }

        return [.. references];
    }

    public override void Write(Utf8JsonWriter writer, ReferenceSettings[] value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (ReferenceSettings reference in value)
        {
            JsonSerializer.Serialize(writer, reference, ReferenceJson.Default.ReferenceSettings);
        }

        writer.WriteEndArray();
    }

    static ReferenceSettings One(ref Utf8JsonReader reader) => reader.TokenType == JsonTokenType.String
        ? ReferenceSettings.Parse(reader.GetString()!)
        : JsonSerializer.Deserialize(ref reader, ReferenceJson.Default.ReferenceSettings)!;
}
