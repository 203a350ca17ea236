using System.Globalization;
using System.Text;

namespace JeDi.Files.Tokenizer;

/// <summary>
/// Unicode's normal form C (UAX 15), from the character tables in <c>canonical.txt</c>: the runtime normalises only where ICU is
/// installed, and a prompt must not mean something else on another machine.
/// </summary>
static class Nfc
{
    const int HangulFirst = 0xAC00;
    const int HangulCount = 11172;
    const int LeadFirst = 0x1100;
    const int LeadCount = 19;
    const int VowelFirst = 0x1161;
    const int VowelCount = 21;
    const int TailFirst = 0x11A7;
    const int TailCount = 28;

    static readonly Dictionary<int, int[]> Decompositions = [];
    static readonly Dictionary<(int, int), int> Compositions = [];
    static readonly Dictionary<int, int> Classes = [];

    static Nfc()
    {
        using var reader = new StreamReader(typeof(Nfc).Assembly.GetManifestResourceStream("canonical.txt")!);
        while (reader.ReadLine() is string line)
        {
            int at = line.AsSpan().IndexOfAny('=', '>', ':');
            if (line[0] == '#')
            {
                continue;
            }

            if (line[at] == ':')
            {
                string[] range = line[..at].Split('-');
                for (int c = Hex(range[0]); c <= Hex(range[1]); c++)
                {
                    Classes[c] = int.Parse(line.AsSpan(at + 1));
                }

                continue;
            }

            int[] parts = [.. line[(at + 1)..].Split(' ').Select(Hex)];
            Decompositions[Hex(line[..at])] = parts;
            if (line[at] == '=')
            {
                Compositions[(parts[0], parts[1])] = Hex(line[..at]);
            }
        }
    }

    /// <summary>The text in normal form C; unpaired surrogates become U+FFFD.</summary>
    public static string Normalize(string text)
    {
        if (text.All(c => c < 0x300))
        {
            return text;
        }

        var points = new List<int>(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            Decompose(rune.Value, points);
        }

        Order(points);
        Compose(points);
        var result = new StringBuilder(points.Count);
        foreach (int point in points)
        {
            result.Append(new Rune(point).ToString());
        }

        return result.ToString();
    }

    static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber);

    static int ClassOf(int point) => Classes.GetValueOrDefault(point);

    static void Decompose(int point, List<int> to)
    {
        int syllable = point - HangulFirst;
        if (syllable is >= 0 and < HangulCount)
        {
            to.Add(LeadFirst + syllable / (VowelCount * TailCount));
            to.Add(VowelFirst + syllable % (VowelCount * TailCount) / TailCount);
            if (syllable % TailCount != 0)
            {
                to.Add(TailFirst + syllable % TailCount);
            }
        }
        else if (Decompositions.TryGetValue(point, out int[]? parts))
        {
            foreach (int part in parts)
            {
                Decompose(part, to);
            }
        }
        else
        {
            to.Add(point);
        }
    }

    /// <summary>Marks between two base characters by combining class, stable.</summary>
    static void Order(List<int> points)
    {
        for (int first = 0; first < points.Count; first++)
        {
            int end = first;
            while (end < points.Count && ClassOf(points[end]) != 0)
            {
                end++;
            }

            if (end - first > 1)
            {
                int[] sorted = [.. points.GetRange(first, end - first).OrderBy(ClassOf)];
                for (int i = 0; i < sorted.Length; i++)
                {
                    points[first + i] = sorted[i];
                }
            }

            first = Math.Max(first, end);
        }
    }

    static void Compose(List<int> points)
    {
        int starter = -1;
        int last = 0;
        int count = 0;
        for (int i = 0; i < points.Count; i++)
        {
            int point = points[i];
            int order = ClassOf(point);
            bool adjacent = starter == count - 1;
            if (starter >= 0 && (adjacent || last < order) && Composed(points[starter], point) is int whole)
            {
                points[starter] = whole;
                continue;
            }

            if (order == 0)
            {
                starter = count;
            }

            last = order;
            points[count++] = point;
        }

        points.RemoveRange(count, points.Count - count);
    }

    static int? Composed(int first, int second)
    {
        if (first - LeadFirst is >= 0 and < LeadCount && second - VowelFirst is >= 0 and < VowelCount)
        {
            return HangulFirst + ((first - LeadFirst) * VowelCount + second - VowelFirst) * TailCount;
        }

        if (first - HangulFirst is >= 0 and < HangulCount && (first - HangulFirst) % TailCount == 0
            && second - TailFirst is > 0 and < TailCount)
        {
            return first + second - TailFirst;
        }

        return Compositions.TryGetValue((first, second), out int whole) ? whole : null;
    }
}
