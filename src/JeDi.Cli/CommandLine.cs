using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using JeDi.Cli.Commands;
using JeDi.Files;

namespace JeDi.Cli;

/// <summary>The <c>jedi-native</c> command line: commands, exit codes, and the one line that an error becomes.</summary>
public static class CommandLine
{
    public const int Success = 0;
    public const int Failure = 1;
    public const int Usage = 2;
    public const int Interrupted = 130;

    /// <summary>Parses and runs; never throws. Errors are one line on <paramref name="error"/>.</summary>
    /// <returns>0, 1 (failure), 2 (usage) or 130 (stopped).</returns>
    public static int Run(string[] arguments, TextWriter output, TextWriter error, CancellationToken stop)
    {
        try
        {
            var terminal = new Terminal(output, error);
            ParseResult parsed = Root(terminal).Parse(AsOptions(arguments), new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (Explain(parsed, BehindOptions(arguments)) is string wrong)
            {
                throw new UsageException(wrong);
            }

            // Signals reach the token that the caller passes in.
            var invocation = new InvocationConfiguration
            {
                Output = output,
                Error = error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return parsed.InvokeAsync(invocation, stop).GetAwaiter().GetResult();
        }
        catch (Exception exception)
        {
            return Report(exception, error);
        }
    }

    /// <summary><c>help</c> and <c>help COMMAND</c> are <c>--help</c> and <c>COMMAND --help</c>.</summary>
    static string[] AsOptions(string[] arguments) => arguments is ["help", .. string[] rest] ? [.. rest, "--help"] : arguments;

    static string[] BehindOptions(string[] arguments) => [.. arguments.SkipWhile(argument => argument != "--").Skip(1)];

    static RootCommand Root(Terminal terminal)
    {
        var root = new RootCommand(
            "JeDi joint-image diffusion: pictures of your subject from a prompt and a few photos, without finetuning.")
        {
            new SampleCommand(terminal),
            new InfoCommand(terminal),
            new ConvertCommand(terminal),
            new BenchCommand(terminal),
            new TrainCommand(terminal),
            new CompletionCommand(terminal),
            new DatasetCommand(terminal),
            new EvaluateCommand(terminal),
            new TrialCommand(terminal),
        };
        root.Options.OfType<HelpOption>().Single().Action = new HelpPage(terminal);
        return root;
    }

    /// <summary>The first parse error as one line with what to do, or null.</summary>
    /// <param name="parsed">What the parser made of it.</param>
    /// <param name="plain">Words behind <c>--</c>, which are no options whatever they begin with.</param>
    static string? Explain(ParseResult parsed, IReadOnlyList<string> plain)
    {
        Command command = parsed.CommandResult.Command;
        string see = command is RootCommand ? "see jedi-native --help" : $"see jedi-native {command.Name} --help";

        // The parser takes an unknown option for an argument wherever one may stand.
        IEnumerable<string> taken = parsed.CommandResult.Children.OfType<ArgumentResult>()
            .SelectMany(result => result.Tokens)
            .Select(token => token.Value);
        string? unknown = taken.Concat(parsed.UnmatchedTokens)
            .FirstOrDefault(token => token.Length > 1 && token[0] == '-' && !plain.Contains(token));
        if (unknown is not null)
        {
            IEnumerable<string> known = command.Options.SelectMany(option => option.Aliases.Prepend(option.Name));
            return $"unknown option {unknown}; {NearMiss.Suggest(unknown, known)}{see}";
        }

        if (parsed.UnmatchedTokens is [{ } word, ..])
        {
            return command is RootCommand
                ? $"unknown command {word}; {NearMiss.Suggest(word, command.Subcommands.Select(child => child.Name))}{see}"
                : $"one argument too many: {word}; {see}";
        }

        // For these the parser's own message counts values.
        OptionResult? twice = parsed.CommandResult.Children.OfType<OptionResult>()
            .FirstOrDefault(result => result.IdentifierTokenCount > 1 && result.Option.Arity.MaximumNumberOfValues == 1);
        if (twice is not null)
        {
            return $"{twice.Option.Name} was given twice; {see}";
        }

        return parsed.Errors.Count == 0 ? null
            : command is RootCommand ? $"a command is missing: {string.Join(", ", command.Subcommands.Select(child => child.Name))}; {see}"
            : $"{parsed.Errors[0].Message.ReplaceLineEndings(" ").TrimEnd('.')}; {see}";
    }

    static int Report(Exception exception, TextWriter error)
    {
        if (exception is OperationCanceledException)
        {
            error.WriteLine("jedi-native: stopped");
            return Interrupted;
        }

        error.WriteLine($"jedi-native: {CleanText.Of(OneLine(exception))}");
        if (Environment.GetEnvironmentVariable("JEDI_DEBUG") == "1")
        {
            error.WriteLine(exception);
        }

        return exception is UsageException ? Usage : Failure;
    }

    static string OneLine(Exception exception)
    {
        string message = exception.Message.ReplaceLineEndings(" ").Trim();
        return exception switch
        {
            OutOfMemoryException => "out of memory; close other programs, or work on less at once",
            ArgumentException { ParamName: not null } wrong when IsTheEngines(wrong) => OptionNames.Of(wrong),
            _ when IsForPeople(exception) => OptionNames.In(message),
            _ => $"internal error: {exception.GetType().Name}: {message}; set JEDI_DEBUG=1 to see where, and please report it",
        };
    }

    /// <summary>Whether the message was written for the person at the shell.</summary>
    static bool IsForPeople(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or JeDiException or UsageException;

    /// <summary>Whether the engine refused an argument; one that something else refuses is a mistake in between.</summary>
    static bool IsTheEngines(ArgumentException exception) => exception.TargetSite?.DeclaringType?.Assembly == typeof(JeDiEngine).Assembly;
}
