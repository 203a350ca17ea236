using JeDi.Files.Images;

namespace JeDi.Cli.Output;

/// <summary>Pictures with their parameters inside, on disk.</summary>
public static class PngParameters
{
    /// <exception cref="Files.FileException">The file cannot be written; nothing is left.</exception>
    public static void Write(string path, PixelImage image, PictureParameters parameters)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        (string, string) text = (PictureParameters.TextKey, parameters.ToText());
        (string, string) json = (PictureParameters.JsonKey, parameters.ToJson(folder));
        PngWriter.Write(path, image, [text, json]);
    }

    /// <exception cref="Files.FileException">No such file, no PNG, or without parameters.</exception>
    public static PictureParameters Read(string path) =>
        PictureParameters.Parse(PngText.Read(path).GetValueOrDefault(PictureParameters.JsonKey), path);
}
