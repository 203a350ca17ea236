using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Files;

namespace JeDi.Cli.Requests;

/// <summary>
/// Requests, one a line: a prompt as plain text, or a JSON object with the names of the options. Empty lines and lines that start with
/// <c>#</c> are skipped.
/// </summary>
public static class PromptFile
{
    const long LargestFile = 64L << 20;

    static readonly UTF8Encoding strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Line number and wishes of each request.</summary>
    /// <exception cref="FileException">No such file.</exception>
    /// <exception cref="UsageException">A line that cannot be used: says which and why.</exception>
    public static IReadOnlyList<(int Line, JsonObject Wishes)> Read(string path)
    {
        var requests = new List<(int, JsonObject)>();
        int number = 0;
        using var lines = new StringReader(Text(path));
        while (lines.ReadLine() is string line)
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

    /// <summary>The file's text, if it is one.</summary>
    static string Text(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileException(path, "no such file");
        }

        if (new FileInfo(path) is { Length: > LargestFile } file)
        {
            throw new UsageException($"{path}: {file.Length >> 20} MB is too large for a file of prompts");
        }

        byte[] bytes = File.ReadAllBytes(path);
        int wrong = bytes.AsSpan().IndexOf((byte)0);
        string what = "holds a NUL byte; is this a text file?";
        try
        {
            string text = strict.GetString(bytes);
            if (wrong < 0)
            {
                return text;
            }
        }
        catch (DecoderFallbackException error)
        {
            wrong = Math.Clamp(error.Index, 0, bytes.Length);
            what = "is not UTF-8; save the file as UTF-8 text";
        }

        throw new UsageException($"{path}, line {bytes.AsSpan(0, wrong).Count((byte)'\n') + 1}: {what}");
    }

    static JsonObject Object(string text, string where)
    {
        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            JsonObject wishes = JsonNode.Parse(text, documentOptions: options)!.AsObject();
            string? fixedName = SampleSettings.OfTheRun.FirstOrDefault(wishes.ContainsKey);
            return fixedName is null
                ? wishes
                : throw new UsageException($"{where}: '{fixedName}' holds for the whole run; give it on the command line");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new UsageException($"{where}: not valid JSON: {error.Message.ReplaceLineEndings(" ")}");
        }
    }
}
