using System.CommandLine;
using System.Text;
using JeDi.Datasets.Emoji;
using JeDi.Files;
using JeDi.Files.Images;
using JeDi.Files.Sets;

namespace JeDi.Cli.Commands;

/// <summary><c>jedi-native dataset</c>: makes sets to learn from out of openly licensed drawings.</summary>
public sealed class DatasetCommand : DocumentedCommand
{
    const string Emoji = "emoji";
    const string Separator = "<|split|>";
    const int ProgressEvery = 200;

    readonly Terminal terminal;
    readonly Argument<string> kind = new("kind") { Description = "emoji: drawings of things by five designers." };
    readonly Option<string> to = OptionTypes.Text("--to", "FOLDER", "Where drawings and sets go.");
    readonly Option<string> packages = OptionTypes.Text(
        "--packages", "FOLDER", "Holds node_modules with the drawings' packages [default: the folder of --to]");
    readonly Option<int> sets = OptionTypes.Int("--sets", "N", "Write so many sets as files; a training draws its own [default: 0]");
    readonly Option<string> split = OptionTypes.Text("--split", "train|held", "Which drawings the written sets show [default: train]");
    readonly Option<int> images = OptionTypes.Int("--images", "N", "Pictures of a written set [default: 4]");
    readonly Option<int> size = OptionTypes.Int("--size", "PIXELS", "Side of a picture [default: 128]");
    readonly Option<int> seed = OptionTypes.Int("--seed", "S", "Another seed, other sets [default: 0]");
    readonly Option<bool> quiet = OptionTypes.Flag("--quiet", "No progress.", "-q");

    public DatasetCommand(Terminal terminal)
        : base("dataset", "Make sets of pictures that share a subject, to learn from.")
    {
        this.terminal = terminal;
        Arguments.Add(kind);
        Group("Options", to, packages, sets, split, images, size, seed, quiet);
        SetAction((parsed, stop) => Task.Run(() => Run(parsed, stop), CancellationToken.None));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        EmojiDesigner.Install("data/emoji"),
        "jedi-native dataset emoji --to data/emoji                        renders each drawing once",
        "jedi-native dataset emoji --to data/emoji --sets 100 --split held    and writes sets of drawings that are kept for judging",
    ];

    int Run(ParseResult parsed, CancellationToken stop)
    {
        string wanted = parsed.GetValue(kind)!;
        if (wanted != Emoji)
        {
            throw new UsageException($"dataset {wanted}: unknown; there is {Emoji}");
        }

        string folder = parsed.GetValue(to) ?? throw new UsageException("dataset: where to? add --to FOLDER");
        EmojiSplit chosen = (parsed.GetValue(split) ?? "train") switch
        {
            "train" => EmojiSplit.Train,
            "held" => EmojiSplit.Held,
            string other => throw new UsageException($"--split {other}: train or held is wanted"),
        };
        int count = parsed.Number(sets, 0, 0, 10_000_000);
        int each = parsed.Number(images, 4, 1, 64);
        int side = parsed.Number(size, 128, 8, 4096);
        int number = parsed.Number(seed, 0, 0, int.MaxValue);
        bool told = !parsed.GetValue(quiet);
        EmojiLibrary library = Library(parsed.GetValue(packages) ?? folder, folder, told, stop);
        terminal.Error.WriteLine(
            $"{folder}: {library.Entries.Count} drawings, {library.Of(EmojiSplit.Held).Count} of them held out"
            + (library.LeftOut.Count == 0 ? "" : $"; left out, as they cannot be drawn: {string.Join(", ", library.LeftOut)}"));
        var source = new EmojiSets(library, chosen, count, each, number);
        Write(source, Path.Combine(folder, chosen.ToString().ToLowerInvariant()), side, told, stop);
        return CommandLine.Success;
    }

    EmojiLibrary Library(string packages, string folder, bool told, CancellationToken stop) => EmojiLibrary.IsAt(folder)
        ? EmojiLibrary.Open(folder)
        : EmojiLibrary.Render(packages, folder, (done, all) => Say(told, "drawings", done, all), stop);

    void Write(ISetSource source, string folder, int side, bool told, CancellationToken stop)
    {
        for (int i = 0; i < source.Count; i++)
        {
            stop.ThrowIfCancellationRequested();
            ImageSet set = source.Load(i, side);
            Directory.CreateDirectory(folder);
            var stack = new PixelImage(side, side * set.Images.Count, new byte[3 * side * side * set.Images.Count]);
            for (int k = 0; k < set.Images.Count; k++)
            {
                stack.Paste(set.Images[k], 0, k * side);
            }

            string name = Path.Combine(folder, $"{i:D6}");
            AtomicFile.Write(name + ".txt", Encoding.UTF8.GetBytes(string.Join(Separator, set.Captions)));
            PngWriter.Write(name + ".png", stack);
            Say(told, "sets", i + 1, source.Count);
        }
    }

    void Say(bool told, string what, int done, int all)
    {
        if (told && (done % ProgressEvery == 0 || done == all))
        {
            terminal.Error.WriteLine($"{what}: {done} of {all}");
        }
    }
}
