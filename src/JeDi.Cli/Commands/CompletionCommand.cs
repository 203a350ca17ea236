using System.CommandLine;

namespace JeDi.Cli.Commands;

/// <summary><c>jedi-native completion SHELL</c>: what makes a shell complete commands and options; files it completes itself.</summary>
public sealed class CompletionCommand : DocumentedCommand
{
    static readonly string[] shells = ["bash", "zsh", "fish"];

    readonly Terminal terminal;
    readonly Argument<string?> shell = new("shell")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = string.Join(", ", shells),
    };

    public CompletionCommand(Terminal terminal)
        : base("completion", "Print what makes a shell complete commands and options.")
    {
        this.terminal = terminal;
        Arguments.Add(shell);
        SetAction(parsed => Run(parsed));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "source <(jedi-native completion bash)                                            in ~/.bashrc",
        "source <(jedi-native completion zsh)                                             in ~/.zshrc",
        "jedi-native completion fish > ~/.config/fish/completions/jedi-native.fish",
    ];

    int Run(ParseResult parsed)
    {
        string given = parsed.GetValue(shell) ?? throw new UsageException($"completion: for which shell? {string.Join(", ", shells)}");
        Requests.SampleChecks.OneOf("completion", given, shells);
        Command[] commands = [.. parsed.RootCommandResult.Command.Subcommands];
        string zsh = given == "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : "";
        terminal.Out.Write(given == "fish" ? Fish(commands) : zsh + Bash(commands));
        return CommandLine.Success;
    }

    static string Bash(Command[] commands)
    {
        IEnumerable<string> cases = commands.Select(command =>
            $"        {command.Name}) words=\"{string.Join(' ', Names(command))}\" ;;");
        return $$"""
            _jedi_native() {
                local words="{{string.Join(' ', commands.Select(command => command.Name))}} --help --version"
                case "${COMP_WORDS[1]}" in
            {{string.Join('\n', cases)}}
                esac
                local word="${COMP_WORDS[COMP_CWORD]}"
                if [ "$COMP_CWORD" -eq 1 ] || [ "${word#-}" != "$word" ]; then
                    COMPREPLY=($(compgen -W "$words" -- "$word"))
                fi
            }
            complete -o default -F _jedi_native jedi-native

            """;
    }

    static string Fish(Command[] commands)
    {
        IEnumerable<string> lines =
        [
            .. commands.Select(command =>
                $"complete -c jedi-native -n __fish_use_subcommand -f -a {command.Name} -d {Quoted(command.Description)}"),
            .. commands.SelectMany(command => command.Options.Select(option =>
                $"complete -c jedi-native -n '__fish_seen_subcommand_from {command.Name}' {Flag(option)} -d {Quoted(option.Description)}")),
        ];
        return string.Join('\n', lines) + "\n";
    }

    static string Flag(Option option) =>
        option.Name.StartsWith("--", StringComparison.Ordinal) ? $"-l {option.Name[2..]}" : $"-s {option.Name[1..]}";

    static string Quoted(string? text) => $"'{(text ?? "").Replace("\\", "\\\\").Replace("'", "\\'")}'";

    static IEnumerable<string> Names(Command command) =>
        command.Options.SelectMany(option => option.Aliases.Prepend(option.Name)).Append("--help").Order(StringComparer.Ordinal);
}
