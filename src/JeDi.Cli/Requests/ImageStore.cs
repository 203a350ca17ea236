using JeDi.Files.Images;

namespace JeDi.Cli.Requests;

/// <summary>The pictures that requests name: all are looked at before the model is loaded, a few are kept decoded.</summary>
public sealed class ImageStore
{
    const int Kept = 16;

    readonly Recent<PixelImage> decoded = new(Kept);

    /// <summary>Decodes every file once.</summary>
    /// <exception cref="Files.FileException">One is missing, empty, no picture, or too large.</exception>
    public void Check(IEnumerable<string> paths)
    {
        foreach (string path in paths.Distinct())
        {
            Get(path);
        }
    }

    public PixelImage Get(string path) => decoded.Get(path, () => ImageReader.Read(path));
}
