namespace JeDi.Tests;

/// <summary>Finds files of the repository that the tests stand in.</summary>
public static class Repository
{
    /// <summary>The folder that holds JeDiNative.sln, walking up from the test assembly.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>A path below <see cref="Root"/>, which must exist.</summary>
    public static string Find(string relative)
    {
        string path = Path.Combine(Root, relative);
        return Path.Exists(path) ? path : throw new FileNotFoundException($"{relative} is missing from the repository {Root}");
    }

    static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "JeDiNative.sln")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException(
            $"no JeDiNative.sln above {AppContext.BaseDirectory}: run the tests from within the repository");
    }
}
