using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using JeDi.Cli.Output;
using JeDi.Cli.Requests;

namespace JeDi.Cli.Commands;

/// <summary>
/// <c>jedi-native sample</c>: pictures from a prompt and photos. Whatever can be checked is checked before the model is loaded.
/// </summary>
public sealed class SampleCommand : DocumentedCommand
{
    readonly Terminal terminal;
    readonly SampleOptions options = new();
    readonly Option<string> output = OptionTypes.Text(
        "--output", "FOLDER", "Where pictures go; names count on, nothing is overwritten [default: out]", "-o");
    readonly Option<string> promptsFrom = OptionTypes.Text(
        "--prompts-from",
        "FILE",
        "One request a line: a prompt, or a JSON object with the names of these options. Run again, it goes on where it stopped "
            + "(its journal is FILE.journal.json in the output folder). Lines of # and a blank are comments; - reads standard input.");
    readonly Option<string> paramsFrom = OptionTypes.Text(
        "--params-from", "PNG", "Repeat a picture with the parameters inside it; other options win over them.");
    readonly Option<bool> grid = OptionTypes.Flag(
        "--grid", "Also all pictures of a request side by side (00001-seed7-grid.png).");
    readonly Option<bool> attentionMap = OptionTypes.Flag(
        "--attention-map",
        "Also which photo location each location of a picture looks at, in matching colours (00001-seed7-attention.png).");
    readonly Option<int> preview = OptionTypes.Int(
        "--preview", "N", "Every N steps show the picture so far (00001-seed7-preview.png); removed when the picture is done.");
    readonly Option<bool> quiet = OptionTypes.Flag("--quiet", "No progress and no names of pictures; warnings and errors stay.", "-q");
    readonly Option<bool> verbose = OptionTypes.Flag("--verbose", "Also times and memory of every part.", "-v");
    readonly Option<bool> json = OptionTypes.Flag("--json", "One JSON line for each picture on standard output.");

    public SampleCommand(Terminal terminal)
        : base("sample", "Make pictures from a prompt and a few photos of the subject.")
    {
        this.terminal = terminal;
        Arguments.Add(options.Prompt);
        Group("Subject", [options.MorePrompts, .. options.Subject]);
        Group("Guidance", options.Guiding);
        Group("Drawing", options.Drawing);
        Group("Editing", options.Editing);
        Group("Many requests", promptsFrom, paramsFrom);
        Group("Output", output, grid, attentionMap, preview, json, verbose, quiet);
        Group("Engine", options.Engine);
        SetAction((parsed, stop) => Run(parsed, stop));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "jedi-native sample \"a mosquito on a plain blue background\" --seed 7",
        "jedi-native sample \"the dog at the beach\" --reference dog1.jpg --reference \"dog2.jpg,caption=a dog\\, asleep,weight=0.7\" -n 4",
        "jedi-native sample \"a hat on a shelf\" --prompt \"a hat in the snow\" --together --grid",
        "jedi-native sample \"a red door\" --init house.jpg --inpaint door-mask.png --sampler dpmpp-2m-karras --steps 25",
        "jedi-native sample --prompts-from prompts.txt --reference dog.jpg -o out/dogs --json",
        "jedi-native sample --params-from out/00001-seed7.png --steps 50",
    ];

    async Task<int> Run(ParseResult parsed, CancellationToken stop)
    {
        if (parsed.Has(preview) && parsed.GetValue(preview) < 1)
        {
            throw new UsageException($"--preview {parsed.GetValue(preview)}: at least 1 step is wanted");
        }

        GivenPath.Any("--output", parsed.GetValue(output));
        GivenPath.File("--params-from", parsed.GetValue(paramsFrom));
        GivenPath.File("--prompts-from", parsed.GetValue(promptsFrom));
        JsonObject given = options.Given(parsed);
        PictureParameters? repeated = parsed.GetValue(paramsFrom) is string picture ? PngParameters.Read(picture) : null;
        JsonObject common = repeated is null ? given : SampleSettings.Merge(repeated.Wishes.ToJson(), given);

        // What is checked from here on takes one thread, a tenth of a second.
        Devices.Prepare((string?)common["device"] ?? "auto");
        string? file = parsed.GetValue(promptsFrom);
        IReadOnlyList<(int Line, JsonObject Wishes)> lines = file is null ? [] : PromptFile.Read(file);
        List<SampleSettings> requests = Requests(given, common, file, lines);
        if (parsed.GetValue(attentionMap) && requests.Any(request => request.Reference.Length == 0))
        {
            throw new UsageException("--attention-map: shows where a picture looks at its photos; add --reference FILE");
        }

        if (parsed.GetValue(preview) > 0 && requests[0].LowMemory)
        {
            throw new UsageException("--preview: the decoder is not in memory during the steps with --low-memory; leave one of them out");
        }

        var images = new ImageStore();
        CheckRecorded(requests, repeated, parsed.GetValue(paramsFrom));
        images.Check(requests.SelectMany(PictureSet.Files));
        WarnOfChanges(requests, repeated);
        OutputFolder folder = OutputFolder.Open(parsed.GetValue(output) ?? "out");
        long? wanted = Seed(common);
        long seed = wanted ?? RandomNumberGenerator.GetInt32(int.MaxValue);
        using Journal? journal = file is null ? null : Journal.Open(folder.Path, file, seed);
        folder.Reserve(journal?.Files ?? []);
        long runSeed = wanted ?? journal?.Seed ?? seed;
        IReadOnlyList<long>? offsets = journal?.Offsets([.. lines.Select((line, i) => (line.Wishes.ToJsonString(), requests[i].Pictures))]);
        var run = new SampleRun(terminal, folder, images, journal)
        {
            Seed = runSeed,
            Repeated = repeated?.Wishes,
            Grid = parsed.GetValue(grid),
            AttentionMap = parsed.GetValue(attentionMap),
            PreviewEvery = parsed.GetValue(preview),
            Quiet = parsed.GetValue(quiet),
            Json = parsed.GetValue(json),
            Verbose = parsed.GetValue(verbose),
        };
        await run.Run(PictureSet.Of(requests, runSeed, offsets), stop);
        return CommandLine.Success;
    }

    /// <summary>The seed of the run, null where one is to be drawn.</summary>
    static long? Seed(JsonObject wishes) => (long?)wishes["seed"] is long seed and not SampleChecks.RandomSeed ? seed : null;

    /// <summary>The wishes of each request, checked.</summary>
    /// <param name="given">What stands on the command line.</param>
    /// <param name="common">The same over what a repeated picture holds.</param>
    /// <param name="promptsFrom">A file of requests, or null for one request.</param>
    /// <param name="lines">What it holds.</param>
    static List<SampleSettings> Requests(
        JsonObject given, JsonObject common, string? promptsFrom, IReadOnlyList<(int Line, JsonObject Wishes)> lines)
    {
        if (promptsFrom is null)
        {
            SampleSettings request = Drawn(SampleSettings.From(common, "the command line"));
            SampleChecks.Check(request);
            return [request];
        }

        // The run's seed is counted on from line to line.
        JsonObject shared = common.DeepClone().AsObject();
        shared.Remove("seed");
        var requests = new List<SampleSettings>();
        if (given["prompt"] is JsonNode unused && lines.All(line => line.Wishes.ContainsKey("prompt")))
        {
            throw new UsageException($"--prompts-from {promptsFrom}: every line has its own prompt; leave out {unused[0]!.ToJsonString()}");
        }

        foreach ((int line, JsonObject wishes) in lines)
        {
            string where = $"{promptsFrom}, line {line}";
            SampleSettings request = Drawn(SampleSettings.From(SampleSettings.Merge(shared, wishes), where));
            try
            {
                SampleChecks.Check(request);
            }
            catch (UsageException wrong)
            {
                throw new UsageException($"{where}: {wrong.Message}");
            }

            requests.Add(request);
        }

        return requests;
    }

    /// <summary>A seed that is to be drawn is none.</summary>
    static SampleSettings Drawn(SampleSettings wishes) =>
        wishes.Seed == SampleChecks.RandomSeed ? wishes with { Seed = null } : wishes;

    /// <summary>The repeated picture may have been moved away from its photos, which nobody named now.</summary>
    static void CheckRecorded(List<SampleSettings> requests, PictureParameters? repeated, string? picture)
    {
        string? lost = repeated is null ? null : PictureSet.Files(repeated.Wishes)
            .FirstOrDefault(file => !Path.Exists(file) && requests.SelectMany(PictureSet.Files).Contains(file));
        if (lost is not null)
        {
            string option = lost == repeated!.Wishes.Init ? "--init" : lost == repeated.Wishes.Inpaint ? "--inpaint" : "--reference";
            throw new JeDiException($"{lost}: no such file; the parameters in {picture} name it; give another with {option} FILE");
        }
    }

    /// <summary>A photo that has other content than when the repeated picture was made gives another picture.</summary>
    void WarnOfChanges(List<SampleSettings> requests, PictureParameters? repeated)
    {
        foreach (string file in requests.SelectMany(PictureSet.Files).Distinct())
        {
            if (repeated?.Files.TryGetValue(Path.GetFullPath(file), out string? digest) == true && digest != PictureParameters.Digest(file))
            {
                terminal.Warn($"{file} has changed since the repeated picture was made; the result will differ");
            }
        }
    }
}
