using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Cli.Output;
using JeDi.Files;
using JeDi.Files.Images;

namespace JeDi.Cli.Reporting;

/// <summary>What <c>info</c> says of pictures.</summary>
public static class PictureReport
{
    const string Png = "PNG";

    /// <summary>Bytes that are looked at to know a picture.</summary>
    const int Start = 12;

    /// <summary>The format of a picture by the first bytes of the file, or null.</summary>
    public static string? KindOf(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        using FileStream file = File.OpenRead(path);
        Span<byte> start = stackalloc byte[Start];
        return PictureKinds.Of(start[..file.ReadAtLeast(start, Start, throwOnEndOfStream: false)]);
    }

    /// <param name="path">The picture.</param>
    /// <param name="kind">See <see cref="KindOf"/>.</param>
    /// <exception cref="FileException">It is damaged.</exception>
    public static JsonObject Of(string path, string kind)
    {
        PixelImage image = ImageReader.Read(path);
        var report = new JsonObject { ["path"] = path, ["kind"] = kind, ["width"] = image.Width, ["height"] = image.Height };
        if (kind != Png)
        {
            report[PictureParameters.TextKey] = "none; only PNG files made by jedi-native hold them";
            return report;
        }

        foreach ((string key, string text) in PngText.Read(path))
        {
            report[key] = key == PictureParameters.JsonKey ? Json(path, text) : text;
        }

        return report;
    }

    static JsonNode? Json(string path, string text)
    {
        try
        {
            JsonNode? json = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });

            // Texts are looked at when they are needed, and may hold half of a character.
            json?.ToJsonString();
            return json;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new FileException(path, $"its parameters ('{PictureParameters.JsonKey}') are not valid JSON: {error.Message}", error);
        }
    }
}
