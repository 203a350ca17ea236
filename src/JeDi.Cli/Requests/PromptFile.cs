using System.Text.Json;
using System.Text.Json.Nodes;

namespace JeDi.Cli.Requests;

/// <summary>
/// Requests, one a line: a prompt as plain text, or a JSON object with the names of the options. Empty lines and lines that start with
/// <c>#</c> are skipped.
/// </summary>
public static class PromptFile
{
    const long LargestFile = 64L << 20;

    /// <summary>Line number and wishes of each request.</summary>
    /// <exception cref="UsageException">A line that cannot be used: says which and why.</exception>
    public static IReadOnlyList<(int Line, JsonObject Wishes)> Read(string path)
    {
        if (new FileInfo(path) is { Exists: true, Length: > LargestFile } file)
        {
            throw new UsageException($"{path}: {file.Length >> 20} MB is too large for a file of prompts");
        }

        var requests = new List<(int, JsonObject)>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            string text = line.Trim().TrimStart('\uFEFF');
            if (text.Length > 0 && text[0] != '#')
            {
                requests.Add((number, text[0] == '{' ? Object(text, $"{path}, line {number}") : new JsonObject { ["prompt"] = text }));
            }
        }

        return requests.Count > 0 ? requests : throw new UsageException($"{path}: holds no request; write one prompt a line");
    }

    static JsonObject Object(string text, string where)
    {
        try
        {
            var strict = new JsonDocumentOptions { AllowDuplicateProperties = false };
            JsonObject wishes = JsonNode.Parse(text, documentOptions: strict)!.AsObject();
            string? fixedName = SampleSettings.OfTheRun.FirstOrDefault(wishes.ContainsKey);
            return fixedName is null
                ? wishes
                : throw new UsageException($"{where}: '{fixedName}' holds for the whole run; give it on the command line");
        }
        catch (JsonException error)
        {
            throw new UsageException($"{where}: not valid JSON: {error.Message.ReplaceLineEndings(" ")}");
        }
    }
}
