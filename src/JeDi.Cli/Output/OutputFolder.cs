namespace JeDi.Cli.Output;

/// <summary>
/// The folder that pictures go to. Names count on from what is there (<c>00001-seed7.png</c>), so they sort by age and nothing is
/// overwritten.
/// </summary>
public sealed class OutputFolder
{
    int next = 1;

    OutputFolder(string path) => Path = path;

    public string Path { get; }

    /// <summary>Makes the folder where it is missing and tries to write into it.</summary>
    /// <exception cref="JeDiException">It cannot be made or written to.</exception>
    public static OutputFolder Open(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
            string probe = System.IO.Path.Combine(path, $".jedi-native-{Environment.ProcessId}.tmp");
            try
            {
                File.WriteAllBytes(probe, [0]);
            }
            finally
            {
                File.Delete(probe);
            }

            var folder = new OutputFolder(path);
            folder.Look();
            return folder;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string why = error.Message.ReplaceLineEndings(" ").TrimEnd('.');
            throw new JeDiException($"output folder {path} cannot be written: {why}; choose another with --output", error);
        }
    }

    /// <summary>Makes the folder again where it was removed meanwhile.</summary>
    /// <exception cref="JeDiException">It cannot be made.</exception>
    public void Ensure()
    {
        if (!Directory.Exists(Path))
        {
            Open(Path);
        }
    }

    /// <summary>The next picture's name.</summary>
    public string NextPicture(long seed) => $"{next++:00000}-seed{seed}.png";

    /// <summary>Counts on behind names that are promised, whether their files are there or not.</summary>
    public void Reserve(IEnumerable<string> names) => next = Math.Max(next, names.Select(Number).DefaultIfEmpty(0).Max() + 1);

    /// <summary>Counts on behind what other runs wrote meanwhile.</summary>
    public void Look() => Reserve(Directory.EnumerateFiles(Path).Select(file => System.IO.Path.GetFileName(file)));

    /// <summary>The path of a file in the folder.</summary>
    public string At(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Whether a file is there with something in it.</summary>
    public bool Has(string name) => new FileInfo(At(name)) is { Exists: true, Length: > 0 };

    /// <summary>The name of what belongs to a picture: <c>00012-seed7-grid.png</c>, and with a number more if that is not free.</summary>
    public static string Beside(string picture, string what, int number = 1) =>
        $"{System.IO.Path.ChangeExtension(picture, null)}-{what}{(number == 1 ? "" : $"-{number}")}.png";

    /// <summary>The leading number of a name such as <c>00012-seed7.png</c>, 0 for other names.</summary>
    internal static int Number(string name)
    {
        int dash = name.IndexOf('-');
        bool numbered = dash >= 5 && name.AsSpan(0, dash).IndexOfAnyExceptInRange('0', '9') < 0;
        return numbered && int.TryParse(name.AsSpan(0, dash), out int number) && number < int.MaxValue ? number : 0;
    }
}
