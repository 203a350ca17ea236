namespace JeDi;

/// <summary>
/// Finds what ships in <c>weights/</c>: named by JEDI_WEIGHTS, beside the executable, or further up from it or from the current folder.
/// </summary>
public static class ShippedFiles
{
    /// <summary>Environment variable that names the folder.</summary>
    public const string Variable = "JEDI_WEIGHTS";

    /// <summary>Full path of a file or folder inside <c>weights/</c>, or null.</summary>
    public static string? Find(string name) =>
        Folders().Select(folder => Path.Combine(folder, name)).FirstOrDefault(path => Directory.Exists(path) || File.Exists(path));

    /// <summary>Where <see cref="Find"/> looks, in order.</summary>
    public static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            yield return named;
        }

        foreach (string start in (string[])[AppContext.BaseDirectory, Directory.GetCurrentDirectory()])
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                string weights = Path.Combine(folder.FullName, "weights");
                if (Directory.Exists(weights))
                {
                    yield return weights;
                }
            }
        }
    }
}
