namespace JeDi.Cli.Requests;

/// <summary>What a prompt loses where it is longer than the model reads.</summary>
public static class LostWords
{
    /// <summary>Words that a warning names.</summary>
    const int Most = 20;

    /// <summary>The end of the prompt from the first lost word on, as it was written.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="pieces">The tokenizer's pieces that do not fit: all up to the end, in lower case, digit by digit.</param>
    public static string Of(string prompt, IReadOnlyList<string> pieces)
    {
        string[] words = (Tail(prompt, pieces) ?? string.Join(' ', pieces)).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', words.Take(Most)) + (words.Length > Most ? $" ... and {words.Length - Most} more" : "");
    }

    /// <summary>Null where the tokenizer wrote the prompt anew (composed characters), so that its pieces are not found in it.</summary>
    static string? Tail(string prompt, IReadOnlyList<string> pieces)
    {
        int at = prompt.Length;
        foreach (string piece in pieces.Reverse())
        {
            ReadOnlySpan<char> before = prompt.AsSpan(0, at).TrimEnd();
            if (!before.EndsWith(piece, StringComparison.OrdinalIgnoreCase))
            {
                return null;
            }

            at = before.Length - piece.Length;
        }

        // Digits are pieces of their own; a number is lost as a whole.
        while (at > 0 && at < prompt.Length && char.IsDigit(prompt[at]) && char.IsDigit(prompt[at - 1]))
        {
            at--;
        }

        return prompt[at..];
    }
}
