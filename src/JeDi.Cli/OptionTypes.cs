using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

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
            CustomParser = result => Parse<int>(result, name, "a whole number"),
        };

    public static Option<long> Long(string name, string argument, string description) =>
        new(name) { HelpName = argument, Description = description, CustomParser = result => Parse<long>(result, name, "a whole number") };

    public static Option<double> Number(string name, string argument, string description) =>
        new(name) { HelpName = argument, Description = description, CustomParser = result => Parse<double>(result, name, "a number") };

    /// <summary>Whether the option stands on the command line.</summary>
    public static bool Has(this ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    static T? Parse<T>(ArgumentResult result, string name, string wanted)
        where T : System.Numerics.INumber<T>
    {
        string given = result.Tokens[^1].Value;
        if (T.TryParse(given, CultureInfo.InvariantCulture, out T? value) && T.IsFinite(value))
        {
            return value;
        }

        result.AddError($"{name} {given}: {wanted} is wanted");
        return default;
    }
}
