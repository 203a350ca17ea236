using System.CommandLine;
using System.Text.Json.Nodes;
using JeDi.Cli.Reporting;
using JeDi.Cli.Requests;

namespace JeDi.Cli.Commands;

/// <summary><c>jedi-native info</c>: what a model, a LoRA or a picture holds, or what this machine has.</summary>
public sealed class InfoCommand : DocumentedCommand
{
    readonly Terminal terminal;
    readonly Argument<string?> path = new("path")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "Model folder, safetensors file or picture; a model also by its name in weights/. Nothing: this machine.",
    };
    readonly Option<bool> tensors = OptionTypes.Flag("--tensors", "List every tensor with its type and shape.");
    readonly Option<bool> json = OptionTypes.Flag("--json", "As JSON.");

    public InfoCommand(Terminal terminal)
        : base("info", "Say what a model, LoRA or picture holds, or what this machine computes with.")
    {
        this.terminal = terminal;
        Arguments.Add(path);
        Group("Options", tensors, json);
        SetAction(parsed => Run(parsed));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "jedi-native info                               the processor, memory, and whether there is a GPU",
        "jedi-native info jedi-emoji                    the model that ships",
        "jedi-native info style.safetensors --tensors",
        "jedi-native info out/00001-seed7.png           how a picture was made",
    ];

    int Run(ParseResult parsed)
    {
        JsonObject report = parsed.GetValue(path) is string given ? Of(given, parsed.GetValue(tensors)) : DeviceReport.Make();
        Report.Write(terminal.Out, report, parsed.GetValue(json));
        return CommandLine.Success;
    }

    static JsonObject Of(string given, bool tensors)
    {
        GivenPath.Any("info", given);
        return PictureReport.KindOf(given) is string kind
            ? PictureReport.Of(given, kind)
            : ModelReport.Of(ModelFinder.Find(given, "as the argument"), tensors);
    }
}
