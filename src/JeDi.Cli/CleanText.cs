namespace JeDi.Cli;

/// <summary>Text out of a file for a terminal: what would move its cursor, colour it or turn its direction is shown instead.</summary>
static class CleanText
{
    /// <summary>The text with every control character as U+FFFD; a line break stays where <paramref name="lines"/> are wanted.</summary>
    public static string Of(string text, bool lines = false) =>
        text.Any(c => Disturbs(c, lines)) ? string.Concat(text.Select(c => Disturbs(c, lines) ? '\uFFFD' : c)) : text;

    static bool Disturbs(char c, bool lines) => (char.IsControl(c) && !(lines && c == '\n'))
        || c is '\u2028' or '\u2029' or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');
}
