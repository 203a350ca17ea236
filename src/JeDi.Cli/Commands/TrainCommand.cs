using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Cli.Training;
using JeDi.Files;
using JeDi.Tensors;
using JeDi.Training;

namespace JeDi.Cli.Commands;

/// <summary><c>jedi-native train</c>: the networks learn from sets on disk.</summary>
public sealed class TrainCommand : DocumentedCommand
{
    const int LargestSettings = 1 << 20;

    readonly Terminal terminal;
    readonly Dictionary<string, (Option Option, Func<ParseResult, JsonNode?> Value)> settings = [];
    readonly Option<string> file = OptionTypes.Text("--settings", "FILE", "JSON with settings of the same names; options go before it.");
    readonly Option<bool> resume = OptionTypes.Flag("--resume", "Go on from the newest checkpoint in --out, with its settings.");
    readonly Option<string> export = OptionTypes.Text(
        "--export", "FOLDER", "Train nothing: write the newest checkpoint in --out small, without moments, F16; --resume goes on from it.");
    readonly Option<string> device = OptionTypes.Text("--device", "auto|cpu|cuda[:I]", "Where to compute [default: auto]");
    readonly Option<int> threads = OptionTypes.Int("--threads", "N", "CPU threads [default: all cores]");

    public TrainCommand(Terminal terminal)
        : base("train", "Train or fine-tune: U-Net, attention, text encoder or autoencoder, from sets of images on disk.")
    {
        this.terminal = terminal;
        var defaults = new TrainingOptions();
        Group(
            "Data",
            Texts("data", "FOLDER", "Sets: stacked square images, and captions separated by <|split|> in a .txt beside each."),
            Numbers("weights", "W", "How often each source is drawn from [default: equally]"),
            Text("validation", "FOLDER", "Held-out sets whose loss is computed at fixed noise."),
            Text("prior", "FOLDER", "Class images (DreamBooth): half of every batch, with a loss of its own."),
            Number("prior-weight", "W", $"Weight of that loss [default: {defaults.PriorWeight}]"),
            Whole("size", "PIXELS", "Side of a picture [default: the model's]"),
            Wholes("set-sizes", "N", "Images of a set, drawn equally often [default: 1 to 4, at most --images]"),
            Text("captions", "own|shared", "Whether each image of a set has a caption of its own, or the set's first [default: own]"),
            Whole("cache", "MB", $"Latents that are kept in memory [default: {defaults.Cache}]"));
        Group(
            "What learns",
            Text("from", "FOLDER|FILE", "Model to start from, or scratch [default: scratch]"),
            Text("preset", "NAME", $"Structure of a model from scratch: tiny, small or sd14 [default: {defaults.Preset}]"),
            Text("prediction", "TYPE", "What a model from scratch predicts: epsilon, v_prediction or sample [default: epsilon]"),
            Switch("zero-snr", "The last noise level of a model from scratch is noise alone, for v_prediction and sample."),
            Whole("vocabulary", "N", $"Most entries of a vocabulary learned from the captions [default: {defaults.Vocabulary}]"),
            Text("tokenizer", "FOLDER", "vocab.json and merges.txt, for a model file that has none [default: CLIP's, which ships]"),
            Texts("train", "PART", "unet or attention, with or without text; text alone; lora; vae [default: unet]"),
            Whole("rank", "R", $"LoRA: rank of the changes [default: {defaults.Rank}]"),
            Number("alpha", "A", "LoRA: they are multiplied by alpha / rank [default: the rank]"),
            Texts("lora-layers", "PATTERN", "LoRA: parts of the names of the weights that get one, * for anything; text_encoder.* are "
                + $"the text encoder's [default: {defaults.LoraLayers[0]}]"));
        Group(
            "Steps",
            Whole("images", "N", $"Pictures computed at once [default: {defaults.Images}]"),
            Whole("accumulate", "N", $"Such batches in a step [default: {defaults.Accumulate}]"),
            Whole("steps", "N", $"Steps in all [default: {defaults.Steps}]"),
            Number("rate", "R", "Learning rate [default: 0.0001]"),
            Text("schedule", "constant|cosine", "How the rate goes on [default: constant]"),
            Whole("warm-up", "N", "Steps over which it rises [default: 0]"),
            Number("beta1", "B", $"AdamW [default: {Say(defaults.Beta1)}]"),
            Number("beta2", "B", $"AdamW [default: {Say(defaults.Beta2)}]"),
            Number("eps", "E", "AdamW [default: 1E-08]"),
            Number("decay", "D", $"Weight decay [default: {Say(defaults.Decay)}]"),
            Number("clip", "L", $"Longest gradient [default: {defaults.Clip}]"),
            Number("ema", "E", $"Averaging of the weights [default: {Say(defaults.Ema)}]"),
            Switch("checkpointing", "Compute blocks again on the way back: less memory, equal bits."),
            Whole("seed", "S", "Of everything that is drawn [default: 0]"));
        Group(
            "Loss",
            Number("reference-probability", "P", "That an image of a set is a reference [default: 0.5]"),
            Text("masks", "independent|forced", "Which images are references: each by chance, or 1 to n - 1 of n [default: independent]"),
            Text("loss-on", "all|targets", "Whose error counts: all images, or those that are not references [default: all]"),
            Number("noise-skew", "S", "More timesteps with much noise, 0 to 1 [default: 0]"),
            Number("text-dropout", "P", "That a set loses its texts [default: 0.05]"),
            Number("full-dropout", "P", "That it loses texts and references [default: 0.1]"),
            Text("loss-weight", "none|min-snr|v", "By noise level [default: none]"),
            Number("bound", "B", $"Of that weight [default: {defaults.Bound}]"),
            Number("kl-weight", "W", "Autoencoder: of the latents' divergence [default: 0.0001]"));
        Group(
            "Output",
            Text("out", "FOLDER", $"Checkpoints, loss curve, previews [default: {defaults.Out}]"),
            Whole("save-every", "N", $"Steps between checkpoints [default: {defaults.SaveEvery}]"),
            Whole("keep", "N", $"Checkpoints that stay [default: {defaults.Keep}]"),
            Whole("validate-every", "N", $"Steps between validations [default: {defaults.ValidateEvery}]"),
            Whole("preview-every", "N", "Steps between previews [default: none]"),
            file,
            resume,
            export);
        Group("Engine", device, threads);
        SetAction((parsed, stop) => Task.Run(() => Run(parsed, stop), stop));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "jedi-native train --data sets --train vae --steps 3000 --rate 0.0006 --out vae                 an autoencoder from scratch",
        "jedi-native train --data sets --from vae/step-00003000/model --train unet --train text --images 16 --out jedi",
        "jedi-native train --data sets --from weights/jedi-emoji --rate 0.00002 --out tuned --preview-every 500",
        "jedi-native train --data photos --from weights/jedi-emoji --train lora --rank 8 --rate 0.0003 --steps 500 --out lora",
        "jedi-native sample ... --lora lora/step-00000500/lora.safetensors                               what it changes",
        "jedi-native train --resume --out jedi                                                          goes on bit for bit",
        "jedi-native train --export small --out jedi                                                    to take away or go on from",
        "A checkpoint's model folder is a model: jedi-native sample --model jedi/step-00001000/model ...",
    ];

    static string Say(double value) => value.ToString(CultureInfo.InvariantCulture);

    int Run(ParseResult parsed, CancellationToken stop)
    {
        JsonObject given = Given(parsed);
        TrainingOptions options = new();
        if (parsed.GetValue(export) is string small)
        {
            Trainer.Export(given["out"]?.GetValue<string>() ?? options.Out, small);
            terminal.Out.WriteLine(small);
            return CommandLine.Success;
        }

        if (parsed.GetValue(resume))
        {
            string folder = given["out"]?.GetValue<string>() ?? options.Out;
            options = Trainer.OptionsOf(folder).With(given, "the command line") with { Out = folder };
        }
        else
        {
            options = options.With(given, "the command line");
        }

        // A file has no tokenizer of its own; CLIP's ships.
        bool inOneFile = options.Tokenizer is null && File.Exists(options.From);
        options = inOneFile ? options with { Tokenizer = ShippedFiles.Find("clip-tokenizer") } : options;

        using Device place = Devices.Open(new EngineOptions
        {
            Device = parsed.GetValue(device) ?? "auto",
            Threads = parsed.GetValue(threads),
        });
        new TrainingRun(terminal, place, options, parsed.GetValue(resume)).Run(stop);
        return CommandLine.Success;
    }

    /// <summary>The settings file, and the options over it.</summary>
    JsonObject Given(ParseResult parsed)
    {
        JsonObject given = [];
        if (parsed.GetValue(file) is string path)
        {
            try
            {
                given = JsonNode.Parse(WholeFile.Read(path, LargestSettings, "settings")) as JsonObject
                    ?? throw new UsageException($"--settings {path}: a JSON object is wanted");
            }
            catch (JsonException error)
            {
                throw new UsageException($"--settings {path}: not JSON: {error.Message.ReplaceLineEndings(" ")}");
            }

            string? unknown = given.Select(entry => entry.Key).FirstOrDefault(key => !settings.ContainsKey(key));
            if (unknown is not null)
            {
                throw new UsageException($"--settings {path}: unknown setting '{unknown}'; {NearMiss.Suggest(unknown, settings.Keys)}"
                    + "see jedi-native train --help");
            }
        }

        foreach ((string name, (Option option, Func<ParseResult, JsonNode?> value)) in settings)
        {
            if (parsed.Has(option))
            {
                given[name] = value(parsed);
            }
        }

        return given;
    }

    Option Text(string name, string argument, string description)
    {
        Option<string> option = OptionTypes.Text($"--{name}", argument, description);
        return Add(name, option, parsed => parsed.GetValue(option));
    }

    Option Texts(string name, string argument, string description)
    {
        Option<string[]> option = OptionTypes.Texts($"--{name}", argument, description);
        return Add(name, option, parsed => new JsonArray([.. parsed.GetValue(option)!.Select(value => JsonValue.Create(value))]));
    }

    Option Whole(string name, string argument, string description)
    {
        Option<long> option = OptionTypes.Long($"--{name}", argument, description);
        return Add(name, option, parsed => parsed.GetValue(option));
    }

    Option Number(string name, string argument, string description)
    {
        Option<double> option = OptionTypes.Number($"--{name}", argument, description);
        return Add(name, option, parsed => parsed.GetValue(option));
    }

    Option Wholes(string name, string argument, string description) => List(name, argument, description, whole: true);

    Option Numbers(string name, string argument, string description) => List(name, argument, description, whole: false);

    Option List(string name, string argument, string description, bool whole)
    {
        Option<string[]> option = OptionTypes.Texts($"--{name}", argument, description);
        option.AllowMultipleArgumentsPerToken = true;
        return Add(name, option, parsed => new JsonArray([.. parsed.GetValue(option)!.Select(Parse)]));

        JsonNode? Parse(string text) =>
            whole && int.TryParse(text, CultureInfo.InvariantCulture, out int count) ? JsonValue.Create(count)
            : !whole && double.TryParse(text, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
                ? JsonValue.Create(number)
            : throw new UsageException($"--{name} {text}: {(whole ? "a whole number" : "a number")} is wanted");
    }

    Option Switch(string name, string description)
    {
        Option<bool> option = OptionTypes.Flag($"--{name}", description);
        return Add(name, option, parsed => parsed.GetValue(option));
    }

    Option Add(string name, Option option, Func<ParseResult, JsonNode?> value)
    {
        settings.Add(name, (option, value));
        return option;
    }
}
