using System.CommandLine;
using System.Text.Json.Nodes;
using JeDi.Cli.Reporting;
using JeDi.Cli.Requests;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Cli.Commands;

/// <summary><c>jedi-native bench</c>: where the time of a request goes, kernel by kernel, and what memory it takes.</summary>
public sealed class BenchCommand : DocumentedCommand
{
    const int MostReferences = 16;
    const int MostSeconds = 86_400;
    const int MostRows = 10_000;

    readonly Terminal terminal;
    readonly Option<string> model = OptionTypes.Text(
        "--model", "FOLDER|FILE", $"Checkpoint, by path or by its name in weights/ [default: {ModelFinder.Default}]");
    readonly Option<string> recipe = OptionTypes.Text(
        "--recipe", string.Join('|', Presets.Names), "A structure with made-up weights instead of a model: sd14 is the full size.");
    readonly Option<int> width = OptionTypes.Int("--width", "PIXELS", "Multiple of 64 [default: the model's]");
    readonly Option<int> height = OptionTypes.Int("--height", "PIXELS", "Multiple of 64 [default: the model's]");
    readonly Option<int> references = OptionTypes.Int(
        "--references", "N", $"References beside one target, 0 to {MostReferences} [default: 1]");
    readonly Option<string> guidance = OptionTypes.Text(
        "--guidance", "MODE", "joint, text-only, text-first or image-first [default: joint]");
    readonly Option<int> steps = OptionTypes.Int("--steps", "N", "Steps of the whole request [default: the model's]");
    readonly Option<double> seconds = OptionTypes.Number(
        "--seconds", "S", "Time for each figure, the least of all runs counts [default: 3]");
    readonly Option<int> top = OptionTypes.Int("--top", "N", "Kernels that are listed, the slowest first [default: 12, with --json all]");
    readonly Option<string> device = OptionTypes.Text("--device", "auto|cpu|cuda[:I]|sim", "Where to compute [default: auto]");
    readonly Option<string> dtype = OptionTypes.Text("--dtype", "auto|f16|bf16|f32", "Precision of the computation [default: auto]");
    readonly Option<int> threads = OptionTypes.Int("--threads", "N", "CPU threads [default: all cores]");
    readonly Option<string> winograd = OptionTypes.Text("--winograd", "auto|off", "off: direct convolutions [default: auto]");
    readonly Option<string> products = OptionTypes.Text(
        "--products", "FILE", "On a GPU, instead: time the model's products by own kernels and by each algorithm of cuBLASLt, and write "
        + "the fastest as a table; JEDI_PRODUCTS=FILE then computes by it.");
    readonly Option<bool> json = OptionTypes.Flag("--json", "As JSON on standard output.");

    public BenchCommand(Terminal terminal)
        : base("bench", "Time a model on this machine: loading, encoders, denoising step by kernels, a whole request; and its memory.")
    {
        this.terminal = terminal;
        Group("Request", model, recipe, width, height, references, guidance, steps);
        Group("Measurement", seconds, top, products, json);
        Group("Engine", device, dtype, threads, winograd);
        SetAction((parsed, stop) => Task.Run(() => Run(parsed, stop), stop));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "jedi-native bench                                         the small model that ships",
        "jedi-native bench --recipe sd14 --steps 4 --threads 2     Stable Diffusion's size, without its weights",
        "jedi-native bench --model weights/sd14 --width 768 --json > bench.json",
        "jedi-native bench --recipe sd14 --device cuda --products table.json",
    ];

    int Run(ParseResult parsed, CancellationToken stop)
    {
        int images = parsed.Has(references) ? parsed.GetValue(references) : 1;
        if (images is < 0 or > MostReferences)
        {
            throw new UsageException($"--references {images}: 0 to {MostReferences} is wanted");
        }

        if (parsed.GetValue(recipe) is not null && parsed.GetValue(model) is not null)
        {
            throw new UsageException("--recipe and --model: give one of them");
        }

        SampleChecks.OneOf("--recipe", parsed.GetValue(recipe), [.. Presets.Names]);
        double budget = parsed.Has(seconds) ? parsed.GetValue(seconds) : 3;
        SampleChecks.Between("--seconds", budget, 0, MostSeconds);
        int? rows = parsed.Has(top) ? parsed.GetValue(top) : null;
        SampleChecks.Between("--top", rows, 0, MostRows);
        SampleSettings wishes = Wishes(parsed);
        SampleChecks.Check(wishes);
        var shape = new SessionShape(
            images, 1, wishes.Width ?? 0, wishes.Height ?? 0, Guidance.Parse(wishes.Guidance!), Steps: wishes.Steps ?? 0);
        using Checkpoint checkpoint = parsed.GetValue(recipe) is string preset
            ? Checkpoint.FromRecipe(preset, 9, DType.F16)
            : Checkpoint.Open(ModelFinder.Find(wishes.Model));
        using Device place = Devices.Open(EngineRequests.Options(wishes));
        Precision? precision = Devices.PrecisionOf(EngineRequests.Options(wishes), place);
        if (parsed.GetValue(products) is string file)
        {
            new ProductBench(terminal, checkpoint, place, shape, precision, stop).Write(file, parsed.Has(seconds) ? budget : 0.02);
            return CommandLine.Success;
        }

        using var bench = new ModelBench(checkpoint, place, shape, TimeSpan.FromSeconds(budget), precision, stop);
        Write(bench.Measure(), parsed.GetValue(json), rows);
        return CommandLine.Success;
    }

    void Write(JsonObject report, bool asJson, int? rows)
    {
        JsonArray profile = report[ModelBench.Profile]!.AsArray();
        for (int count = rows ?? (asJson ? profile.Count : 12); profile.Count > count;)
        {
            profile.RemoveAt(profile.Count - 1);
        }

        if (asJson)
        {
            Report.Write(terminal.Out, report, json: true);
            return;
        }

        report.Remove(ModelBench.Profile);
        Report.Write(terminal.Out, report, json: false);
        terminal.Out.WriteLine();
        Report.WriteTable(terminal.Out, profile);
    }

    /// <summary>What the options have in common with those of <c>sample</c>.</summary>
    SampleSettings Wishes(ParseResult parsed) => new()
    {
        Prompt = [""],
        Model = parsed.GetValue(model),
        Width = parsed.Has(width) ? parsed.GetValue(width) : null,
        Height = parsed.Has(height) ? parsed.GetValue(height) : null,
        Guidance = parsed.GetValue(guidance) ?? Guidance.NameOf(GuidanceMode.Joint),
        Steps = parsed.Has(steps) ? parsed.GetValue(steps) : null,
        Device = parsed.GetValue(device),
        Dtype = parsed.GetValue(dtype),
        Threads = parsed.Has(threads) ? parsed.GetValue(threads) : null,
        Winograd = parsed.GetValue(winograd),
    };
}
