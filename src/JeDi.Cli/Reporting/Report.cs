using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace JeDi.Cli.Reporting;

/// <summary>Prints a tree of names and values for people, or as JSON.</summary>
public static class Report
{
    public static void Write(TextWriter output, JsonObject report, bool json)
    {
        if (json)
        {
            output.WriteLine(JsonLines.Indented(report));
        }
        else
        {
            Write(output, report, 0);
        }
    }

    /// <summary>Objects of the same names as the rows of a table: texts to the left, numbers to the right.</summary>
    public static void WriteTable(TextWriter output, JsonArray rows)
    {
        List<JsonObject> objects = [.. rows.OfType<JsonObject>()];
        string[] names = [.. objects.SelectMany(row => row.Select(entry => entry.Key)).Distinct()];
        List<string[]> cells = [names, .. objects.Select(row => names.Select(name => Text(name, row[name])).ToArray())];
        int[] widths = [.. names.Select((_, column) => cells.Max(row => row[column].Length))];
        bool[] right = [.. names.Select(name => objects.All(row => row[name]?.GetValueKind() == JsonValueKind.Number))];
        foreach (string[] row in cells)
        {
            IEnumerable<string> padded = row.Select((cell, i) => right[i] ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]));
            output.WriteLine(string.Join("  ", padded).TrimEnd());
        }
    }

    static void Write(TextWriter output, JsonObject report, int depth)
    {
        string indent = new(' ', 2 * depth);
        int width = report.Select(entry => entry.Key.Length).DefaultIfEmpty(0).Max() + 2;
        foreach ((string key, JsonNode? value) in report)
        {
            string name = CleanText.Of(key);
            switch (value)
            {
                case JsonObject { Count: > 0 } child:
                    output.WriteLine($"{indent}{name}");
                    Write(output, child, depth + 1);
                    break;
                case JsonArray list:
                    output.WriteLine($"{indent}{name}");
                    foreach (JsonNode? item in list)
                    {
                        output.WriteLine($"{indent}  {Text(name, item)}");
                    }

                    break;
                case JsonObject:
                    break;
                default:
                    output.WriteLine($"{indent}{name.PadRight(width)}{Text(name, value)}");
                    break;
            }
        }
    }

    /// <summary>Counts with separators, bytes with their unit, yes and no, texts in one line.</summary>
    static string Text(string name, JsonNode? value) => value?.GetValueKind() switch
    {
        null or JsonValueKind.Null => "-",
        JsonValueKind.True => "yes",
        JsonValueKind.False => "no",
        JsonValueKind.Number when name.EndsWith("bytes", StringComparison.Ordinal) => Bytes(value.GetValue<long>()),
        JsonValueKind.Number => Number(value),
        JsonValueKind.String => CleanText.Of(value.GetValue<string>().ReplaceLineEndings("; ")),
        _ => value.ToJsonString(),
    };

    static string Number(JsonNode value) => value.AsValue().TryGetValue(out long whole)
        ? whole.ToString("#,0", CultureInfo.InvariantCulture)
        : value.AsValue().TryGetValue(out double number) ? number.ToString("0.######", CultureInfo.InvariantCulture) : value.ToJsonString();

    static string Bytes(long bytes) => bytes switch
    {
        < 1 << 20 => $"{bytes:#,0} bytes",
        < 1L << 30 => $"{bytes / (double)(1 << 20):0.0} MB",
        _ => $"{bytes / (double)(1L << 30):0.00} GB",
    };
}
