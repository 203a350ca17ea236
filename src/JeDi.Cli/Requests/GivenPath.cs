namespace JeDi.Cli.Requests;

/// <summary>Paths as they were given: what is wrong whatever the file holds.</summary>
public static class GivenPath
{
    /// <exception cref="UsageException">It is empty.</exception>
    public static void Any(string option, string? path)
    {
        if (path is "")
        {
            throw new UsageException($"{option}: the path is empty");
        }
    }

    /// <exception cref="UsageException">It is empty or a folder.</exception>
    public static void File(string option, string? path)
    {
        Any(option, path);
        if (Directory.Exists(path))
        {
            throw new UsageException($"{option} {path}: is a folder; a file is wanted");
        }
    }
}
