using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace JeDi.Cli;

/// <summary>JSON for standard output: letters of all languages as they are, in UTF-8.</summary>
static class JsonLines
{
    static readonly JsonSerializerOptions plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    static readonly JsonSerializerOptions indented = new(plain) { WriteIndented = true };

    /// <summary>One line.</summary>
    public static string Line(JsonNode json) => json.ToJsonString(plain);

    /// <summary>Many lines, for people too.</summary>
    public static string Indented(JsonNode json) => json.ToJsonString(indented);
}
