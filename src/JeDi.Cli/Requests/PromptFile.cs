using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Files;

namespace JeDi.Cli.Requests;

/// <summary>
/// Requests, one a line: a prompt as plain text, or a JSON object with the names of the options. Empty lines and comments are skipped:
/// lines of <c>#</c> alone or of <c>#</c> and a blank. A prompt may begin with <c>#word</c>, or with <c>\\#</c> for a <c>#</c>.
/// </summary>
public static class PromptFile
{
    /// <summary>In the place of a file.</summary>
    public const string StandardInput = "-";

    const long LargestFile = 64L << 20;

    static readonly UTF8Encoding strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Line number and wishes of each request.</summary>
    /// <exception cref="FileException">No such file.</exception>
    /// <exception cref="UsageException">A line that cannot be used: says which and why.</exception>
    public static IReadOnlyList<(int Line, JsonObject Wishes)> Read(string path)
    {
        var requests = new List<(int, JsonObject)>();
        int number = 0;
        string whole = Text(path);
        if (IsList(whole))
        {
            throw new UsageException($"{path}: is a JSON list; write one request a line, each as an object");
        }

        using var lines = new StringReader(whole);
        while (lines.ReadLine() is string line)
        {
            number++;
            string text = line.Trim().TrimStart('\uFEFF');
            if (text.Length > 0 && !IsComment(text))
            {
                requests.Add((number, Request(text, $"{path}, line {number}")));
            }
        }

        return requests.Count > 0 ? requests : throw new UsageException($"{path}: holds no request; write one prompt a line");
    }

    /// <summary>A line's wishes under the name of the option that stands for them in <see cref="SampleSettings"/>.</summary>
    static JsonObject Request(string text, string where)
    {
        if (IsList(text))
        {
            throw new UsageException($"{where}: a JSON list is no request; write an object with the names of the options");
        }

        return text[0] == '{' ? Object(text, where)
            : new JsonObject { ["prompt"] = text.StartsWith("\\#", StringComparison.Ordinal) ? text[1..] : text };
    }

    static bool IsComment(string text) => text.TrimStart('#') is "" or [' ' or '\t', ..] && text[0] == '#';

    /// <summary>A prompt may begin with a bracket; a list is JSON as a whole.</summary>
    static bool IsList(string text)
    {
        if (!text.AsSpan().Trim().StartsWith("["))
        {
            return false;
        }

        try
        {
            return JsonNode.Parse(text) is JsonArray;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>The file's text, if it is one; <c>-</c> is standard input.</summary>
    static string Text(string path)
    {
        byte[] bytes = path == StandardInput ? ReadInput() : ReadFile(path);
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

    static byte[] ReadFile(string path) =>
        !File.Exists(path) ? throw new FileException(path, "no such file")
        : new FileInfo(path) is { Length: > LargestFile } file
            ? throw new UsageException($"{path}: {file.Length >> 20} MB is too large for a file of prompts")
            : File.ReadAllBytes(path);

    static byte[] ReadInput()
    {
        using Stream input = Console.OpenStandardInput();
        using var bytes = new MemoryStream();
        input.CopyTo(bytes);
        return bytes.ToArray();
    }

    static JsonObject Object(string text, string where)
    {
        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            JsonObject wishes = JsonNode.Parse(text, documentOptions: options)!.AsObject();
            if (SampleSettings.OfTheRun.FirstOrDefault(wishes.ContainsKey) is string fixedName)
            {
                throw new UsageException($"{where}: '{fixedName}' holds for the whole run; give it on the command line. A line can say "
                    + string.Join(", ", WishTypes.Names.Except(SampleSettings.OfTheRun)));
            }

            if (wishes.ContainsKey("count"))
            {
                JsonNode? count = wishes["count"]?.DeepClone();
                wishes.Remove("count");
                wishes["n"] = wishes.ContainsKey("n") ? throw new UsageException($"{where}: 'count' and 'n' are one thing") : count;
            }

            return wishes;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new UsageException($"{where}: not valid JSON: {error.Message.ReplaceLineEndings(" ")}");
        }
    }
}
