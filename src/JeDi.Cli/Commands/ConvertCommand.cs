using System.CommandLine;
using System.Text.Json.Nodes;
using JeDi.Cli.Output;
using JeDi.Cli.Reporting;
using JeDi.Cli.Requests;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Cli.Commands;

/// <summary><c>jedi-native convert</c>: folder to single file and back, other element types, 4 to 9 channels, LoRA merged in.</summary>
public sealed class ConvertCommand : DocumentedCommand
{
    /// <summary>Tokens of Stable Diffusion 1.x.</summary>
    const int ClipVocabulary = 49408;

    const string SingleFileEnding = ".safetensors";

    static readonly Dictionary<string, DType> types = new() { ["f16"] = DType.F16, ["bf16"] = DType.BF16, ["f32"] = DType.F32 };

    readonly Terminal terminal;
    readonly Argument<string?> from = new("from")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "Model folder or single file, by path or by its name in weights/; nothing with --recipe.",
    };
    readonly Option<string> to = OptionTypes.Text("--to", "OUT", "Folder or file to write.");
    readonly Option<bool> singleFile = OptionTypes.Flag(
        "--single-file", $"Write one file instead of a folder; implied by a name in {SingleFileEnding}.");
    readonly Option<string> type = OptionTypes.Text(
        "--dtype", "f16|bf16|f32", "Element type of all weights [default: each as it is; a recipe: f32]");
    readonly Option<int> channels = OptionTypes.Int(
        "--channels", "4|9", "Inputs of the U-Net; 9 makes a JeDi of Stable Diffusion [default: as they are; a recipe: 9]");
    readonly Option<string[]> loras = OptionTypes.Texts(
        "--lora", "FILE[:WEIGHT]", "LoRA file merged into the weights; repeatable [default weight: 1]");
    readonly Option<string> recipe = OptionTypes.Text(
        "--recipe", string.Join('|', Presets.Names), "Make a model of this structure with made-up weights, for tests and timing.");
    readonly Option<string> tokenizer = OptionTypes.Text(
        "--tokenizer", "FOLDER", "vocab.json and merges.txt for the folder form [default: the model's, else CLIP's]");
    readonly Option<bool> force = OptionTypes.Flag(
        "--force", "Replace OUT if it exists; a folder only if it holds nothing but a model as convert writes it.");
    readonly Option<bool> quiet = OptionTypes.Flag("--quiet", "No progress.", "-q");
    readonly Option<bool> json = OptionTypes.Flag("--json", "The result as JSON on standard output.");

    public ConvertCommand(Terminal terminal)
        : base("convert", "Write a model in another form: single file or folder, other precision, 9 channels, LoRA merged.")
    {
        this.terminal = terminal;
        Arguments.Add(from);
        Group("Result", to, singleFile, type, channels, tokenizer, force);
        Group("Source", loras, recipe);
        Group("Output", quiet, json);
        SetAction((parsed, stop) => Run(parsed, stop));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "jedi-native convert sd-v1-4.safetensors --to weights/sd14 --channels 9    a JeDi to train, from Stable Diffusion 1.4",
        "jedi-native convert weights/sd14 --to sd14-f16.safetensors --dtype f16    one small file",
        "jedi-native convert weights/sd14 --to weights/sd14-ink --lora ink.safetensors:0.8",
        "jedi-native convert --recipe sd14 --to weights/sd14-made-up --dtype f16    the full size without a download",
    ];

    async Task<int> Run(ParseResult parsed, CancellationToken stop)
    {
        string target = parsed.GetValue(to) ?? throw new UsageException("convert: where to? add --to OUT; see jedi-native convert --help");
        bool oneFile = parsed.GetValue(singleFile) || target.EndsWith(SingleFileEnding, StringComparison.OrdinalIgnoreCase);
        var lorasGiven = (parsed.GetValue(loras) ?? []).Select(LoraArgument.Parse).ToList();
        DType? wantedType = parsed.GetValue(type) is not string name ? null
            : types.TryGetValue(name, out DType known) ? known
            : throw new UsageException($"--dtype {name}: unknown; there are {string.Join(", ", types.Keys)}");
        int? wantedChannels = parsed.Has(channels) ? parsed.GetValue(channels) : null;
        if (wantedChannels is not (null or 4 or 9))
        {
            throw new UsageException($"--channels {wantedChannels}: 4 or 9 is wanted");
        }

        if (oneFile && parsed.GetValue(tokenizer) is not null)
        {
            throw new UsageException("--tokenizer: a single file holds no tokenizer; leave it out, or name a folder with --to");
        }

        GivenPath.Any("--to", target);
        GivenPath.Any("--tokenizer", parsed.GetValue(tokenizer));
        SampleChecks.OneOf("--recipe", parsed.GetValue(recipe), [.. Presets.Names]);
        ConvertTarget.Check(target, oneFile, parsed.GetValue(force));
        using Checkpoint checkpoint = Open(parsed, wantedType, wantedChannels);
        foreach (LoraFile lora in lorasGiven)
        {
            checkpoint.AddLora(lora.Path, lora.Weight);
        }

        foreach (string doubt in checkpoint.Doubts)
        {
            terminal.Warn(OptionNames.In(doubt));
        }

        var options = new ConvertOptions
        {
            SingleFile = oneFile,
            Type = wantedType,
            Channels = wantedChannels,
            TokenizerFolder = oneFile ? null : parsed.GetValue(tokenizer) ?? Tokenizer(checkpoint),
        };
        long bytes = Enum.GetValues<Component>()
            .SelectMany(checkpoint.Weights)
            .Sum(weight => weight.Shape.Count * (wantedType ?? weight.Type).Size());
        ConvertTarget.CheckSpace(target, bytes);
        RunProgress progress = RunProgress.For(terminal, parsed.GetValue(quiet), "MB");
        var told = new WriteProgress(progress, target, bytes, stop);
        await progress.Run(() => Task.Run(() => ConvertTarget.Write(checkpoint, target, options, told), stop));
        Tell(parsed, target, bytes);
        return CommandLine.Success;
    }

    Checkpoint Open(ParseResult parsed, DType? wantedType, int? wantedChannels)
    {
        string? source = parsed.GetValue(from);
        string? preset = parsed.GetValue(recipe);
        if (source is null == preset is null)
        {
            throw new UsageException("convert: give either the model to convert or --recipe; see jedi-native convert --help");
        }

        return preset is null
            ? Checkpoint.Open(ModelFinder.Find(source, "as the first argument"))
            : Checkpoint.FromRecipe(preset, wantedChannels ?? 9, wantedType ?? DType.F32);
    }

    /// <summary>A file has none; if it holds SD's own text encoder, that one's vocabulary ships.</summary>
    static string? Tokenizer(Checkpoint checkpoint) =>
        checkpoint.TokenizerFolder
        ?? (checkpoint.Form != CheckpointForm.Folder && checkpoint.Text.Vocabulary == ClipVocabulary
            ? ShippedFiles.Find("clip-tokenizer")
            : null);

    void Tell(ParseResult parsed, string target, long bytes)
    {
        if (parsed.GetValue(json))
        {
            terminal.Out.WriteLine(JsonLines.Line(new JsonObject { ["path"] = target, ["bytes"] = bytes }));
        }
        else if (!parsed.GetValue(quiet))
        {
            terminal.Out.WriteLine(target);
        }
    }

    /// <summary>Tells progress in megabytes, and stops the writer where the user asked to.</summary>
    sealed class WriteProgress(RunProgress progress, string target, long bytes, CancellationToken stop) : IProgress<double>
    {
        bool said;

        public void Report(double share)
        {
            stop.ThrowIfCancellationRequested();
            if (!said)
            {
                // Not before: what cannot be written is found out by the writer.
                said = true;
                progress.Say($"writing {bytes >> 20} MB to {target}");
            }

            progress.Begin("writing", (int)(bytes >> 20));
            progress.Step((int)(share * (bytes >> 20)));
        }
    }
}
