namespace JeDi.Cli;

/// <summary>Where a command writes: results to <paramref name="Out"/>, everything said to a person to <paramref name="Error"/>.</summary>
public sealed record Terminal(TextWriter Out, TextWriter Error)
{
    /// <summary>Whether a person watches, so that a line may be redrawn.</summary>
    public bool IsLive => ReferenceEquals(Error, Console.Error) && !Console.IsErrorRedirected;

    /// <summary>One line about something that is not an error but may surprise.</summary>
    public void Warn(string message) => Error.WriteLine(Warning(message));

    public static string Warning(string message) => $"jedi-native: warning: {CleanText.Of(message)}";
}
