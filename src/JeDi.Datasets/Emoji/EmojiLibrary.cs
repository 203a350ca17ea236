using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Files;

namespace JeDi.Datasets.Emoji;

/// <summary>Which drawings are for learning and which are kept for judging.</summary>
public enum EmojiSplit
{
    Train,

    /// <summary>Every twentieth name whole, and one designer's drawing of every tenth name.</summary>
    Held,
}

/// <summary>A rendered drawing.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Designer">Package that it comes from.</param>
/// <param name="File">PNG with transparency, below the library's folder.</param>
/// <param name="NameHeld">Whether no drawing of this name is learnt from.</param>
/// <param name="Split">Where it belongs.</param>
public sealed record EmojiEntry(string Name, string Designer, string File, bool NameHeld, EmojiSplit Split);

/// <summary>Drawings rendered once into a folder: <c>emoji.json</c> lists them, and those that could not be drawn.</summary>
public sealed class EmojiLibrary
{
    public const string ListFile = "emoji.json";

    const int NamePeriod = 20;
    const int DesignerPeriod = 10;
    const int DesignerPhase = 5;

    EmojiLibrary(string folder, IReadOnlyList<EmojiEntry> entries, IReadOnlyList<string> leftOut)
    {
        Folder = folder;
        Entries = entries;
        LeftOut = leftOut;
    }

    public string Folder { get; }

    public IReadOnlyList<EmojiEntry> Entries { get; }

    /// <summary>Drawings that cannot be drawn or show next to nothing: "noto/fog".</summary>
    public IReadOnlyList<string> LeftOut { get; }

    public IReadOnlyList<EmojiEntry> Of(EmojiSplit split) => [.. Entries.Where(entry => entry.Split == split)];

    /// <summary>Whether a folder holds such a library.</summary>
    public static bool IsAt(string folder) => File.Exists(Path.Combine(folder, ListFile));

    /// <summary>Opens a folder that <see cref="Render"/> has made.</summary>
    /// <exception cref="FileException">It is none, or its list is damaged.</exception>
    public static EmojiLibrary Open(string folder)
    {
        string path = Path.Combine(folder, ListFile);
        if (!File.Exists(path))
        {
            throw new FileException(path, $"is missing; make it with: jedi-native dataset emoji --to {folder}");
        }

        try
        {
            JsonNode list = JsonNode.Parse(File.ReadAllText(path))!;
            (string, string)[] drawn = [.. Texts(list["drawings"]).Select(Split)];
            return new EmojiLibrary(folder, Entry(drawn), Texts(list["left-out"]));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException or FormatException)
        {
            throw new FileException(path, $"is damaged; make it anew with: jedi-native dataset emoji --to {folder}", error);
        }

        static string[] Texts(JsonNode? node) => [.. node!.AsArray().Select(item => item!.GetValue<string>())];

        static (string, string) Split(string text) =>
            text.Split('/') is [string designer, string name] ? (designer, name) : throw new FormatException(text);
    }

    /// <summary>Renders every drawing that is not there yet. The list is written last, so that a run that was stopped goes on.</summary>
    /// <param name="packages">Folder with node_modules.</param>
    /// <param name="folder">Where the library goes.</param>
    /// <param name="progress">Drawings done and drawings in all.</param>
    /// <exception cref="FileException">Packages are missing, or the folder cannot be written.</exception>
    public static EmojiLibrary Render(string packages, string folder, Action<int, int> progress, CancellationToken stop = default)
    {
        IReadOnlyList<EmojiDrawing> drawings = EmojiPackages.Read(packages);
        foreach (EmojiDesigner designer in EmojiDesigner.All)
        {
            Directory.CreateDirectory(Path.Combine(folder, designer.Package));
        }

        var blank = new bool[drawings.Count];
        int done = 0;
        Parallel.For(0, drawings.Count, new ParallelOptions { CancellationToken = stop }, i =>
        {
            string path = Path.Combine(folder, FileOf(drawings[i].Designer, drawings[i].Name));
            if (!File.Exists(path))
            {
                byte[]? png = EmojiRaster.Draw(drawings[i].Svg);
                blank[i] = png is null;
                if (png is not null)
                {
                    AtomicFile.Write(path, png);
                }
            }

            progress(Interlocked.Increment(ref done), drawings.Count);
        });
        string[] drawn = [.. drawings.Where((_, i) => !blank[i]).Select(Text)];
        string[] leftOut = [.. drawings.Where((_, i) => blank[i]).Select(Text)];
        var list = new JsonObject
        {
            ["licences"] = new JsonArray([.. EmojiDesigner.All.Select(d => (JsonNode)$"{d.Package}: {d.Licence}, {d.Credit}")]),
            ["left-out"] = new JsonArray([.. leftOut.Select(text => (JsonNode)text)]),
            ["drawings"] = new JsonArray([.. drawn.Select(text => (JsonNode)text)]),
        };
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(list, new JsonSerializerOptions { WriteIndented = true });
        AtomicFile.Write(Path.Combine(folder, ListFile), text);
        return Open(folder);

        static string Text(EmojiDrawing drawing) => $"{drawing.Designer}/{drawing.Name}";
    }

    static string FileOf(string designer, string name) => Path.Combine(designer, name + ".png");

    static List<EmojiEntry> Entry((string Designer, string Name)[] drawn)
    {
        string[] names = [.. drawn.Select(d => d.Name).Distinct().Order(StringComparer.Ordinal)];
        var place = names.Select((name, i) => (name, i)).ToDictionary(pair => pair.name, pair => pair.i);
        return [.. drawn.Select(d =>
        {
            int i = place[d.Name];
            bool nameHeld = i % NamePeriod == 0;
            IReadOnlyList<EmojiDesigner> all = EmojiDesigner.All;
            bool designerHeld = i % DesignerPeriod == DesignerPhase && d.Designer == all[i / DesignerPeriod % all.Count].Package;
            return new EmojiEntry(
                d.Name, d.Designer, FileOf(d.Designer, d.Name), nameHeld, nameHeld || designerHeld ? EmojiSplit.Held : EmojiSplit.Train);
        })];
    }
}
