using System.Text.RegularExpressions;
using JeDi.Files;

namespace JeDi.Evaluation;

/// <summary>
/// DreamBooth's data set (github.com/google/dreambooth): a folder of photos for each subject and <c>prompts_and_classes.txt</c>, which
/// names each subject's class and has 25 prompts for objects and 25 for live subjects, with {0} for a rare word and {1} for the class.
/// </summary>
public sealed partial class DreamBoothFolder
{
    const string ListName = "prompts_and_classes.txt";
    const long LargestList = 1 << 20;
    static readonly string[] live = ["cat", "dog"];

    readonly Dictionary<string, string> classes = new(StringComparer.Ordinal);
    readonly List<string> objectPrompts = [];
    readonly List<string> livePrompts = [];

    /// <exception cref="FileException">The list is missing or not as it should be: says what to do.</exception>
    public DreamBoothFolder(string folder)
    {
        string[] places = [folder, Path.Combine(folder, "dataset")];
        Folder = places.FirstOrDefault(place => File.Exists(Path.Combine(place, ListName)))
            ?? throw new FileException(
                Path.Combine(folder, ListName), "is missing; name the data set's folder, of github.com/google/dreambooth");
        string list = Path.Combine(Folder, ListName);
        Parse(System.Text.Encoding.UTF8.GetString(WholeFile.Read(list, LargestList, "a list of prompts")));
        if (classes.Count == 0 || objectPrompts.Count + livePrompts.Count == 0)
        {
            throw new FileException(
                list, "has no classes or no prompts; a table subject_name,class and lists prompt_list = [...] are wanted");
        }
    }

    /// <summary>Where the subjects' folders are.</summary>
    public string Folder { get; }

    /// <summary>Subjects with their class, in the list's order; those without a folder too.</summary>
    public IReadOnlyDictionary<string, string> Classes => classes;

    /// <summary>The prompts of a subject, with its class and without a rare word: a model that sees references needs none.</summary>
    public IReadOnlyList<string> Prompts(string subject)
    {
        string kind = classes[subject];
        List<string> prompts = live.Contains(kind) && livePrompts.Count > 0 ? livePrompts : objectPrompts;
        return [.. prompts.Select(prompt => Spaces().Replace(prompt.Replace("{0}", "").Replace("{1}", kind), " ").Trim())];
    }

    /// <summary>A subject's photos.</summary>
    public IReadOnlyList<string> Photos(string subject) => ResultFolder.Pictures(Path.Combine(Folder, subject));

    void Parse(string list)
    {
        List<string>? prompts = null;
        foreach (string raw in list.Split('\n'))
        {
            string line = raw.Trim();
            if (line.StartsWith("prompt_list", StringComparison.Ordinal))
            {
                // Objects come first.
                prompts = objectPrompts.Count == 0 ? objectPrompts : livePrompts;
            }
            else if (Quoted().Match(line) is { Success: true } prompt)
            {
                prompts?.Add(prompt.Groups[2].Value);
            }
            else if (Row().Match(line) is { Success: true } row && row.Groups[1].Value != "subject_name")
            {
                classes[row.Groups[1].Value] = row.Groups[2].Value.Trim();
            }
        }
    }

    [GeneratedRegex("""^(['"])(.*\{1\}.*)\1""")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"^([A-Za-z0-9_]+),\s*([A-Za-z0-9_ ]+)$")]
    private static partial Regex Row();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
