using JeDi.Files.Images;

namespace JeDi.Cli.Output;

/// <summary>
/// The files of a set of pictures. Other runs may write into the same folder at the same time: what this run did not write before is
/// never overwritten, a name that was taken meanwhile is given up for the next one.
/// </summary>
/// <param name="folder">Where they go.</param>
/// <param name="names">A name for each picture.</param>
/// <param name="promised">The names were promised to these pictures by an earlier run, so what has them is an older version.</param>
public sealed class SetFiles(OutputFolder folder, IReadOnlyList<string> names, bool promised)
{
    /// <summary>The PNG keyword of what a picture is.</summary>
    const string TitleKey = "Title";

    const string PreviewName = "preview";

    readonly string[] names = [.. names];
    readonly string?[] previews = new string?[names.Count];

    /// <summary>Names in the folder; those of pictures that are written are final.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>Writes a picture.</summary>
    /// <returns>Its path.</returns>
    public string Write(int picture, PixelImage image, PictureParameters parameters)
    {
        folder.Ensure();
        if (promised)
        {
            PngParameters.Write(folder.At(names[picture]), image, parameters);
            return folder.At(names[picture]);
        }

        while (!PngParameters.Create(folder.At(names[picture]), image, parameters))
        {
            folder.Look();
            names[picture] = folder.NextPicture(parameters.Seed);
        }

        return folder.At(names[picture]);
    }

    /// <summary>Writes something that belongs to a picture that is written, under its name.</summary>
    /// <param name="picture">Which one.</param>
    /// <param name="what">The end of the name.</param>
    /// <param name="image">What is written.</param>
    /// <param name="title">What it is, in words.</param>
    /// <param name="parameters">What it was made of.</param>
    public void WriteBeside(int picture, string what, PixelImage image, string title, PictureParameters parameters)
    {
        folder.Ensure();
        (string, string)[] texts = [(TitleKey, title), .. PngParameters.Texts(folder.At(names[picture]), parameters)];
        if (promised)
        {
            PngWriter.Write(folder.At(OutputFolder.Beside(names[picture], what)), image, texts);
        }
        else
        {
            CreateBeside(picture, what, image, texts);
        }
    }

    /// <summary>Removes what an earlier run showed and, being killed, left.</summary>
    public void RemoveOldPreviews()
    {
        for (int picture = 0; promised && picture < names.Length; picture++)
        {
            for (int number = 1; Preview(picture, number) is string left && File.Exists(left); number++)
            {
                File.Delete(left);
            }
        }
    }

    /// <summary>Shows how far each picture is; only files of this run are written over.</summary>
    public void ShowPreviews(IReadOnlyList<PixelImage> pictures)
    {
        folder.Ensure();
        foreach ((int index, PixelImage picture) in pictures.Index())
        {
            if (previews[index] is string shown)
            {
                PngWriter.Write(shown, picture);
            }
            else
            {
                previews[index] = CreateBeside(index, PreviewName, picture, [(TitleKey, "Preview of a picture that is not done")]);
            }
        }
    }

    public void RemovePreviews()
    {
        foreach (string preview in previews.OfType<string>())
        {
            File.Delete(preview);
        }
    }

    string Preview(int picture, int number) => folder.At(OutputFolder.Beside(names[picture], PreviewName, number));

    string CreateBeside(int picture, string what, PixelImage image, (string, string)[] texts)
    {
        for (int number = 1; ; number++)
        {
            string path = folder.At(OutputFolder.Beside(names[picture], what, number));
            if (PngWriter.Create(path, image, texts))
            {
                return path;
            }
        }
    }
}
