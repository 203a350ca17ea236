using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace JeDi.Cli;

/// <summary>The help of a command: usage, headed groups of options, examples.</summary>
public sealed class HelpPage(Terminal terminal) : SynchronousCommandLineAction
{
    const int Column = 30;
    const int WidestRedirected = 120;

    public override int Invoke(ParseResult parsed)
    {
        if (parsed.CommandResult.Command is not DocumentedCommand command)
        {
            return new HelpAction().Invoke(parsed);
        }

        bool live = ReferenceEquals(terminal.Out, Console.Out) && !Console.IsOutputRedirected;
        int width = live ? Math.Max(2 * Column, Console.WindowWidth) : WidestRedirected;
        Write(command, width);
        return CommandLine.Success;
    }

    void Write(DocumentedCommand command, int width)
    {
        string arguments = string.Concat(command.Arguments.Select(argument => $" [{argument.Name}]"));
        terminal.Out.WriteLine(command.Description);
        terminal.Out.WriteLine();
        terminal.Out.WriteLine($"Usage: jedi-native {command.Name}{arguments} [options]");
        foreach (Argument argument in command.Arguments)
        {
            Row($"[{argument.Name}]", argument.Description ?? "", width);
        }

        foreach ((string heading, Option[] options) in command.Groups)
        {
            terminal.Out.WriteLine();
            terminal.Out.WriteLine($"{heading}:");
            foreach (Option option in options)
            {
                string names = string.Join(", ", option.Aliases.Prepend(option.Name));
                Row(option.HelpName is null ? names : $"{names} {option.HelpName}", option.Description ?? "", width);
            }
        }

        terminal.Out.WriteLine();
        terminal.Out.WriteLine("Examples:");
        foreach (string example in command.Examples)
        {
            terminal.Out.WriteLine($"  {example}");
        }
    }

    /// <summary>Name and text in two columns, the text wrapped at blanks.</summary>
    void Row(string name, string text, int width)
    {
        string line = $"  {name}".PadRight(Column);
        if (line.Length > Column || line[^1] != ' ')
        {
            terminal.Out.WriteLine(line);
            line = new string(' ', Column);
        }

        foreach (string word in text.Split(' '))
        {
            if (line.Length > Column && line.Length + 1 + word.Length > width)
            {
                terminal.Out.WriteLine(line);
                line = new string(' ', Column);
            }

            line += line.Length > Column ? $" {word}" : word;
        }

        terminal.Out.WriteLine(line);
    }
}
