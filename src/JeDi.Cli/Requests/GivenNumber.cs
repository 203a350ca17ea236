using System.Globalization;
using System.Text.RegularExpressions;

namespace JeDi.Cli.Requests;

/// <summary>The one way in which numbers are read: digits, a decimal point, an exponent; neither commas nor words.</summary>
static partial class GivenNumber
{
    /// <summary>Whole numbers by the name that options and JSON have for them.</summary>
    static readonly Dictionary<string, (long Smallest, long Largest)> ranges = new()
    {
        ["steps"] = (1, 1000),
        ["width"] = (1, SampleChecks.LargestSide),
        ["height"] = (1, SampleChecks.LargestSide),
        ["n"] = (1, SampleChecks.MostPictures),
        ["count"] = (1, SampleChecks.MostPictures),
        ["seed"] = (SampleChecks.RandomSeed, SampleChecks.LargestSeed),
        ["threads"] = (1, SampleChecks.MostThreads),
        ["clip-skip"] = (1, SampleChecks.MostClipSkip),
    };

    /// <summary>A finite number.</summary>
    public static bool TryDouble(ReadOnlySpan<char> text, out double value) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);

    /// <summary>A whole number, and what is wrong with it if it is none of those from <paramref name="least"/> on.</summary>
    /// <returns>Null if nothing is.</returns>
    public static string? TryWhole(string name, string text, long least, long most, out long value)
    {
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) && value >= least && value <= most)
        {
            return null;
        }

        (long smallest, long largest) = ranges.GetValueOrDefault(name.TrimStart('-'), (least, most));
        return Digits().IsMatch(text) ? $"{smallest} to {largest} is wanted" : "a whole number is wanted";
    }

    /// <summary>The range of a whole number of this name, if it has one.</summary>
    public static string? Range(string name) =>
        ranges.TryGetValue(name, out (long Smallest, long Largest) range) ? $"{range.Smallest} to {range.Largest}" : null;

    [GeneratedRegex("^[+-]?[0-9]+$")]
    private static partial Regex Digits();
}
