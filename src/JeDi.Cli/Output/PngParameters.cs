using JeDi.Files.Images;

namespace JeDi.Cli.Output;

/// <summary>Pictures with their parameters inside, on disk.</summary>
public static class PngParameters
{
    /// <exception cref="Files.FileException">The file cannot be written; nothing is left.</exception>
    public static void Write(string path, PixelImage image, PictureParameters parameters) =>
        PngWriter.Write(path, image, Texts(path, parameters));

    /// <returns>Whether it was written; false if something has that name already.</returns>
    /// <exception cref="Files.FileException">The file cannot be written; nothing is left.</exception>
    public static bool Create(string path, PixelImage image, PictureParameters parameters) =>
        PngWriter.Create(path, image, Texts(path, parameters));

    /// <exception cref="Files.FileException">No such file, no PNG, or without parameters.</exception>
    public static PictureParameters Read(string path) =>
        PictureParameters.Parse(PngText.Read(path).GetValueOrDefault(PictureParameters.JsonKey), path);

    /// <summary>The texts inside a picture of this path.</summary>
    public static (string, string)[] Texts(string path, PictureParameters parameters)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return [(PictureParameters.TextKey, parameters.ToText()), (PictureParameters.JsonKey, parameters.ToJson(folder))];
    }
}
