using JeDi.Files;

namespace JeDi.Evaluation;

/// <summary>Pictures in folders: results, photos of a subject, and their masks.</summary>
public static class ResultFolder
{
    static readonly string[] endings = [".png", ".jpg", ".jpeg", ".webp"];

    /// <summary>The pictures of a folder in the order of their names, none of its subfolders.</summary>
    /// <exception cref="FileException">No such folder.</exception>
    public static IReadOnlyList<string> Pictures(string folder) => Directory.Exists(folder)
        ? [.. Directory.EnumerateFiles(folder).Where(IsPicture).Order(StringComparer.Ordinal)]
        : throw new FileException(folder, "there is no such folder");

    /// <summary>The same with all subfolders.</summary>
    /// <exception cref="FileException">No such folder.</exception>
    public static IReadOnlyList<string> AllPictures(string folder) => Directory.Exists(folder)
        ? [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(IsPicture).Order(StringComparer.Ordinal)]
        : throw new FileException(folder, "there is no such folder");

    /// <summary>
    /// The mask of a picture in a folder of masks: under the same subfolders and name, with any ending; null if there is none.
    /// </summary>
    /// <param name="masks">Folder of masks, or null.</param>
    /// <param name="root">The folder that the pictures are in.</param>
    /// <param name="picture">The picture's path.</param>
    public static string? Mask(string? masks, string root, string picture)
    {
        if (masks is null)
        {
            return null;
        }

        string relative = Path.ChangeExtension(Path.GetRelativePath(root, picture), null);
        foreach (string name in (string[])[relative, Path.GetFileNameWithoutExtension(picture)])
        {
            foreach (string ending in endings)
            {
                string path = Path.Combine(masks, name + ending);
                if (File.Exists(path) && Path.GetFullPath(path) != Path.GetFullPath(picture))
                {
                    return path;
                }
            }
        }

        return null;
    }

    static bool IsPicture(string path) => endings.Contains(Path.GetExtension(path).ToLowerInvariant());
}
