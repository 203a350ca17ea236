namespace JeDi.Tests.Invariants;

/// <summary>The repository's own files, without what was built.</summary>
static class Sources
{
    static readonly string[] built = [".git", "bin", "obj", "out", "TestResults", ".vs", ".vscode", "node_modules"];

    /// <summary>Paths relative to the root, with '/', of every file whose name ends so.</summary>
    public static IEnumerable<string> Ending(params string[] ends) => Below(new DirectoryInfo(Repository.Root))
        .Select(file => Path.GetRelativePath(Repository.Root, file.FullName).Replace('\\', '/'))
        .Where(path => ends.Any(end => path.EndsWith(end, StringComparison.Ordinal)))
        .Order(StringComparer.Ordinal);

    public static string[] Lines(string path) => File.ReadAllLines(Path.Combine(Repository.Root, path));

    public static string Text(string path) => File.ReadAllText(Path.Combine(Repository.Root, path));

    static IEnumerable<FileInfo> Below(DirectoryInfo folder) => folder.EnumerateFiles()
        .Concat(folder.EnumerateDirectories().Where(child => !built.Contains(child.Name)).SelectMany(Below));
}
