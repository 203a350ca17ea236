using System.CommandLine;

namespace JeDi.Cli;

/// <summary>A command whose options stand in headed groups and whose help ends with examples.</summary>
public abstract class DocumentedCommand(string name, string description) : Command(name, description)
{
    readonly List<(string Heading, Option[] Options)> groups = [];

    /// <summary>Options under a heading, in the order of the help page.</summary>
    public IReadOnlyList<(string Heading, Option[] Options)> Groups => groups;

    /// <summary>Lines at the end of the help page, each a command line or a remark.</summary>
    public abstract IReadOnlyList<string> Examples { get; }

    protected void Group(string heading, params Option[] options)
    {
        groups.Add((heading, options));
        foreach (Option option in options)
        {
            Options.Add(option);
        }
    }
}
