using System.Text.Json.Nodes;
using JeDi.Cli.Output;
using JeDi.Files.Images;

namespace JeDi.Cli.Reporting;

/// <summary>What <c>info</c> says of a PNG.</summary>
public static class PictureReport
{
    static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G'];

    public static bool IsPicture(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        using FileStream file = File.OpenRead(path);
        Span<byte> start = stackalloc byte[4];
        return file.ReadAtLeast(start, 4, throwOnEndOfStream: false) == 4 && start.SequenceEqual(Signature);
    }

    public static JsonObject Of(string path)
    {
        PixelImage image = ImageReader.Read(path);
        var report = new JsonObject { ["path"] = path, ["kind"] = "PNG", ["width"] = image.Width, ["height"] = image.Height };
        foreach ((string key, string text) in PngText.Read(path))
        {
            report[key] = key == PictureParameters.JsonKey ? JsonNode.Parse(text) : text.ReplaceLineEndings("; ");
        }

        return report;
    }
}
