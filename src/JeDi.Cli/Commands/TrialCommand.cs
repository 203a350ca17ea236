using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using JeDi.Cli.Evaluation;
using JeDi.Cli.Reporting;
using JeDi.Cli.Requests;
using JeDi.Datasets.Emoji;
using JeDi.Evaluation.Drawings;
using JeDi.Files.Images;
using JeDi.Sampling;

namespace JeDi.Cli.Commands;

/// <summary><c>jedi-native trial</c>: what a model trained on drawings does with drawings that it never saw.</summary>
public sealed class TrialCommand : DocumentedCommand
{
    const int Requests = 300;
    const int MostRequests = 100_000;
    const int MostSteps = 1000;

    readonly Terminal terminal;
    readonly Argument<string> drawings = new("drawings")
    {
        Description = "Folder that jedi-native dataset emoji has made.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    readonly Option<string[]> models = OptionTypes.Texts(
        "--model", "FOLDER|FILE", "Checkpoint, by path or by its name in weights/; several are compared [default: the one that ships]");
    readonly Option<int> requests = OptionTypes.Int("--requests", "N", $"Requests, each with a seed of its own [default: {Requests}]");
    readonly Option<string[]> photos = OptionTypes.Texts(
        "--photos", "N", $"References of a request, 0 to {DrawingTrials.MostReferences}; several numbers: a row for each [default: 1]");
    readonly Option<string[]> guidance = OptionTypes.Texts(
        "--guidance", "MODE", "joint, text-only, text-first or image-first; several: a row for each [default: the model's]");
    readonly Option<string[]> textScale = OptionTypes.Texts(
        "--text-scale", "S", "Of the text; several: a row for each [default: the model's]");
    readonly Option<string[]> imageScale = OptionTypes.Texts(
        "--image-scale", "S", "Of the references in text-first and image-first; several: a row for each [default: the model's]");
    readonly Option<string> sampler = OptionTypes.Text("--sampler", "NAME", "As in sample [default: the model's]");
    readonly Option<int> steps = OptionTypes.Int("--steps", "N", "Sampler steps [default: the model's]");
    readonly Option<int> seed = OptionTypes.Int("--seed", "S", "Other subjects, other noise [default: 0]");
    readonly Option<string> grid = OptionTypes.Text(
        "--grid", "FILE.png", $"The first {TrialRun.Shown} requests: references, a real picture of what is asked for, each row's result");
    readonly Option<string> save = OptionTypes.Text("--save", "FOLDER", "Keep every result.");
    readonly Option<bool> json = OptionTypes.Flag("--json", "Print JSON instead of a table.");
    readonly Option<string> device = OptionTypes.Text("--device", "DEVICE", "auto, cpu, cuda or cuda:N [default: auto]");
    readonly Option<int> threads = OptionTypes.Int("--threads", "N", "CPU threads [default: all cores]");
    readonly Option<bool> quiet = OptionTypes.Flag("--quiet", "No progress.", "-q");

    public TrialCommand(Terminal terminal)
        : base("trial", "Ask a model for drawings that it never learnt from, and judge what it makes by rules on pixels.")
    {
        this.terminal = terminal;
        Arguments.Add(drawings);
        Group("Requests", models, requests, photos, guidance, textScale, imageScale, sampler, steps, seed);
        Group("Output", grid, save, json, quiet);
        Group("Engine", device, threads);
        SetAction((parsed, stop) => Task.Run(() => Run(parsed, stop), CancellationToken.None));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "jedi-native dataset emoji --to data/emoji                                        renders the drawings; then:",
        "jedi-native trial data/emoji --photos 0 --photos 1 --photos 2 --photos 3         what more references bring",
        "jedi-native trial data/emoji --guidance text-first --image-scale 1.5 --image-scale 3 --image-scale 5",
        "jedi-native trial data/emoji --model jedi/step-00050000/model --requests 50 --grid grid.png",
    ];

    int Run(ParseResult parsed, CancellationToken stop)
    {
        string folder = parsed.GetValue(drawings)
            ?? throw new UsageException("trial: of which drawings? name the folder that jedi-native dataset emoji has made");
        int count = parsed.Number(requests, Requests, 1, MostRequests);
        var run = new TrialRun(EmojiLibrary.Open(folder), parsed.Number(seed, 0, 0, int.MaxValue))
        {
            Requests = count,
            Steps = parsed.Number(steps, 0, 1, MostSteps),
            Sampler = parsed.GetValue(sampler),
            Save = parsed.GetValue(save),
            Grid = parsed.GetValue(grid) is not null,
            Progress = done => Say(!parsed.GetValue(quiet), done, count),
        };
        var options = new EngineOptions
        {
            Device = parsed.GetValue(device) ?? "auto",
            Threads = parsed.Has(threads) ? parsed.GetValue(threads) : 0,
        };
        List<JeDiEngine> engines = [];
        try
        {
            foreach (string name in parsed.GetValue(models) is { Length: > 0 } named ? named : [ModelFinder.Default])
            {
                string path = ModelFinder.Find(name);
                var engine = JeDiEngine.Load(path, options);
                engines.Add(engine);
                foreach (TrialSetting setting in Settings(parsed, engine, Path.TrimEndingDirectorySeparator(path)))
                {
                    run.Add(setting);
                }
            }

            TrialResult result = run.Run(stop);
            if (parsed.GetValue(grid) is string file)
            {
                PngWriter.Write(file, result.Grid!);
            }

            Tell(result, parsed.GetValue(json));
            return CommandLine.Success;
        }
        finally
        {
            engines.ForEach(engine => engine.Dispose());
        }
    }

    /// <summary>A row for each combination that differs.</summary>
    IEnumerable<TrialSetting> Settings(ParseResult parsed, JeDiEngine engine, string model)
    {
        EngineDefaults usual = engine.Defaults;
        GuidanceMode[] modes = parsed.GetValue(guidance) is { Length: > 0 } named ? [.. named.Select(Guidance.Parse)] : [usual.Guidance];
        return from images in Numbers(parsed, photos, 1).Select(Images)
               from mode in modes
               from text in Numbers(parsed, textScale, usual.TextScale)
               from image in mode is GuidanceMode.TextFirst or GuidanceMode.ImageFirst ? Numbers(parsed, imageScale, usual.ImageScale) : [0]
               select new TrialSetting(engine, model, images, mode, text, image);
    }

    int Images(double given) => given is >= 0 and <= DrawingTrials.MostReferences && given == Math.Floor(given)
        ? (int)given
        : throw new UsageException($"{photos.Name} {given}: 0 to {DrawingTrials.MostReferences} are possible");

    static double[] Numbers(ParseResult parsed, Option<string[]> option, double otherwise) =>
        parsed.GetValue(option) is { Length: > 0 } given
            ? [.. given.Select(text => GivenNumber.TryDouble(text, out double value) && value >= 0
                ? value
                : throw new UsageException($"{option.Name} {text}: a number from 0 on is wanted"))]
            : [otherwise];

    void Tell(TrialResult result, bool asJson)
    {
        if (asJson)
        {
            terminal.Out.WriteLine(JsonLines.Indented(new JsonObject
            {
                ["requests"] = result.Requests,
                ["real"] = Full(result.Real),
                ["rows"] = new JsonArray([.. result.Rows.Select(row => (JsonNode)Full(row.Setting, Full(row.Scores)))]),
            }));
            return;
        }

        JsonObject real = Row(result.Real, null);
        real.Insert(0, "what", "real pictures");
        Report.WriteTable(terminal.Out, [real, .. result.Rows.Select(row =>
        {
            JsonObject line = Row(row.Scores, result.Real);
            line.Insert(0, "what", row.Setting.Describe(result.Rows.Select(other => other.Setting)));
            return (JsonNode)line;
        })]);
        terminal.Error.WriteLine($"{result.Requests} requests; intervals of 95 %; in brackets: share of what real pictures reach");
    }

    static JsonObject Row(DrawingScores scores, DrawingScores? real) => new()
    {
        ["identified"] = Text(scores.Identified, real?.Identified),
        ["without colour"] = Text(scores.IdentifiedGrey, real?.IdentifiedGrey),
        ["background"] = Text(scores.Background, real?.Background),
        ["its colour"] = Text(scores.Colour, real?.Colour),
        ["no copy"] = Text(scores.NoCopy, null),
    };

    static string Text(Share share, Share? ceiling) => share.Trials == 0 ? "-"
        : string.Create(CultureInfo.InvariantCulture, $"{100 * share.Value:F1} % ({100 * share.Low:F0}-{100 * share.High:F0})")
            + (ceiling is { Hits: > 0 } most ? string.Create(CultureInfo.InvariantCulture, $" [{share.Value / most.Value:F2}]") : "");

    static JsonObject Full(TrialSetting setting, JsonObject scores)
    {
        scores.Insert(0, "model", setting.Model);
        scores.Insert(1, "references", setting.References);
        scores.Insert(2, "guidance", Guidance.NameOf(setting.Guidance));
        scores.Insert(3, "text_scale", setting.TextScale);
        scores.Insert(4, "image_scale", setting.ImageScale);
        return scores;
    }

    static JsonObject Full(DrawingScores scores) => new()
    {
        ["identified"] = Full(scores.Identified),
        ["identified_without_colour"] = Full(scores.IdentifiedGrey),
        ["background"] = Full(scores.Background),
        ["background_colour"] = Full(scores.Colour),
        ["no_copy"] = Full(scores.NoCopy),
    };

    static JsonObject? Full(Share share) => share.Trials == 0 ? null : new JsonObject
    {
        ["hits"] = share.Hits,
        ["of"] = share.Trials,
        ["share"] = share.Value,
        ["low"] = share.Low,
        ["high"] = share.High,
    };

    void Say(bool told, int done, int all)
    {
        const int Every = 25;
        if (told && (done % Every == 0 || done == all))
        {
            terminal.Error.WriteLine($"{done} of {all} requests");
        }
    }
}
