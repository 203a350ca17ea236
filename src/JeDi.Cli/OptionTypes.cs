using System.CommandLine;
using System.CommandLine.Parsing;
using JeDi.Cli.Requests;

namespace JeDi.Cli;

/// <summary>Options of the few types there are, whose parse errors say what was given and what is wanted.</summary>
public static class OptionTypes
{
    public static Option<string> Text(string name, string argument, string description, params string[] aliases) =>
        new(name, aliases) { HelpName = argument, Description = description };

    /// <summary>May be repeated.</summary>
    public static Option<string[]> Texts(string name, string argument, string description) =>
        new(name) { HelpName = argument, Description = description, Arity = ArgumentArity.OneOrMore };

    public static Option<bool> Flag(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description, Arity = ArgumentArity.Zero };

    public static Option<int> Int(string name, string argument, string description, params string[] aliases) =>
        new(name, aliases)
        {
            HelpName = argument,
            Description = description,
            CustomParser = result => (int)Whole(result, name, int.MinValue, int.MaxValue),
        };

    public static Option<long> Long(string name, string argument, string description) =>
        new(name)
        {
            HelpName = argument,
            Description = description,
            CustomParser = result => Whole(result, name, long.MinValue, long.MaxValue),
        };

    public static Option<double> Number(string name, string argument, string description) =>
        new(name) { HelpName = argument, Description = description, CustomParser = result => Number(result, name) };

    /// <summary>Whether the option stands on the command line.</summary>
    public static bool Has(this ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    /// <summary>A whole number within bounds, or what is meant where none is given.</summary>
    /// <exception cref="UsageException">It lies outside: says what is possible.</exception>
    public static int Number(this ParseResult parsed, Option<int> option, int otherwise, int least, int most)
    {
        int value = parsed.GetValue(option);
        return !parsed.Has(option) ? otherwise
            : value >= least && value <= most ? value
            : throw new UsageException($"{option.Name} {value}: {least} to {most} are possible");
    }

    static long Whole(ArgumentResult result, string name, long least, long most)
    {
        string given = result.Tokens[^1].Value;
        if (GivenNumber.TryWhole(name, given, least, most, out long value) is string wrong)
        {
            result.AddError($"{name} {given}: {wrong}");
            return 0;
        }

        return value;
    }

    static double Number(ArgumentResult result, string name)
    {
        string given = result.Tokens[^1].Value;
        if (!GivenNumber.TryDouble(given, out double value))
        {
            result.AddError($"{name} {given}: a number is wanted" + (given.Contains(',') ? ", with a point: 1.5" : ""));
        }

        return value;
    }
}
