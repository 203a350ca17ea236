using JeDi.Files.Images;

namespace JeDi.Files.Sets;

/// <summary>
/// A folder of sets. A sample is an image whose height is a multiple of its width, N = height / width, and a text file of the same name
/// with N captions separated by <c>&lt;|split|&gt;</c>.
/// </summary>
public sealed class FolderSets : ISetSource
{
    const string Separator = "<|split|>";
    const int LargestText = 1 << 20;

    static readonly string[] endings = [".png", ".jpg", ".jpeg", ".webp"];

    // In the order of their names.
    readonly string[] files;

    FolderSets(string folder, string[] files)
    {
        Name = folder;
        this.files = files;
    }

    /// <summary>Of the folder.</summary>
    public string Name { get; }

    /// <summary>Sets.</summary>
    public int Count => files.Length;

    /// <exception cref="FileException">There is no such folder, or no set in it.</exception>
    public static FolderSets Open(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new FileException(folder, "no such folder of sets");
        }

        string[] files =
        [
            .. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Where(file => endings.Contains(Path.GetExtension(file).ToLowerInvariant()))
                .Order(StringComparer.Ordinal),
        ];
        return files.Length > 0
            ? new FolderSets(folder, files)
            : throw new FileException(folder, "no sets; a set is a picture (png, jpg, webp) with a text file of the same name");
    }

    /// <summary>Of the folder.</summary>
    public string NameOf(int index) => files[index];

    /// <summary>A caption for each image of a set.</summary>
    public IReadOnlyList<string> Captions(int index) => Captions(files[index]);

    /// <summary>An image of a set.</summary>
    public ImageSet Load(int index, int size)
    {
        string file = files[index];
        PixelImage stack = ImageReader.Read(file);
        int side = stack.Width;
        if (stack.Height % side != 0)
        {
            throw new FileException(file, $"is {side} x {stack.Height}: the height of a set is a multiple of its width");
        }

        int count = stack.Height / side;
        if (side < size / 2)
        {
            throw new FileException(file, $"its images have {side} pixels a side, too few for a training at {size}");
        }

        IReadOnlyList<string> captions = Captions(file);
        if (captions.Count < count)
        {
            throw new FileException(file, $"has {count} images and {captions.Count} captions ({Separator} separates them)");
        }

        return new ImageSet([.. Enumerable.Range(0, count).Select(i => stack.Crop(0, i * side, side, side).Cover(size, size))], captions);
    }

    static IReadOnlyList<string> Captions(string file)
    {
        string text = Path.ChangeExtension(file, ".txt");
        byte[] bytes = WholeFile.Read(text, LargestText, "captions", "a set has its captions in a text file of its name");
        return [.. System.Text.Encoding.UTF8.GetString(bytes).Split(Separator).Select(caption => caption.Trim())];
    }
}
