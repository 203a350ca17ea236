using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace JeDi;

/// <summary>How a prompt's brackets are read.</summary>
public enum PromptSyntax
{
    /// <summary>As they stand; what is beyond 75 tokens is lost.</summary>
    Plain,

    /// <summary>
    /// As the web UIs read them: <c>(word)</c> counts 1.1 times, <c>(word:1.2)</c> 1.2 times, <c>[word]</c> 1 / 1.1 times, <c>\(</c> is a
    /// bracket; longer prompts go in chunks of 75 tokens.
    /// </summary>
    Weights,
}

/// <summary>Cuts a prompt at its brackets.</summary>
static partial class PromptWeights
{
    const double Round = 1.1;
    const double Square = 1 / 1.1;

    /// <summary>Parts of the text with the weight of each, in their order; neighbours of one weight are one.</summary>
    public static IReadOnlyList<(string Text, float Weight)> Parse(string prompt)
    {
        var parts = new List<(string Text, double Weight)>();
        var open = new Stack<(bool IsRound, int First)>();
        foreach (Match match in Pieces().Matches(prompt))
        {
            string piece = match.Value;
            if (piece[0] == '\\' && piece.Length == 2)
            {
                parts.Add((piece[1..], 1));
            }
            else if (piece is "(" or "[")
            {
                open.Push((piece == "(", parts.Count));
            }
            else if (match.Groups[1].Success && open.TryPeek(out (bool IsRound, int First) round) && round.IsRound
                && double.TryParse(match.Groups[1].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double weight))
            {
                Multiply(open.Pop().First, weight);
            }
            else if (piece is ")" or "]" && open.TryPeek(out (bool IsRound, int First) last) && last.IsRound == (piece == ")"))
            {
                Multiply(open.Pop().First, piece == ")" ? Round : Square);
            }
            else
            {
                parts.Add((piece, 1));
            }
        }

        // What is not closed counts to the end.
        while (open.TryPop(out (bool IsRound, int First) left))
        {
            Multiply(left.First, left.IsRound ? Round : Square);
        }

        return Merged(parts);

        void Multiply(int first, double weight)
        {
            for (int i = first; i < parts.Count; i++)
            {
                parts[i] = (parts[i].Text, parts[i].Weight * weight);
            }
        }
    }

    static List<(string Text, float Weight)> Merged(List<(string Text, double Weight)> parts)
    {
        var merged = new List<(string Text, float Weight)>();
        var text = new StringBuilder();
        for (int i = 0; i < parts.Count; i++)
        {
            text.Append(parts[i].Text);
            if (i + 1 == parts.Count || parts[i + 1].Weight != parts[i].Weight)
            {
                merged.Add((text.ToString(), (float)parts[i].Weight));
                text.Clear();
            }
        }

        return merged;
    }

    [GeneratedRegex(@"\\[()\[\]\\]|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()\[\]:]+|:")]
    private static partial Regex Pieces();
}
