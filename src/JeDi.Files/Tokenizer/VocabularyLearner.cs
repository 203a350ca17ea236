using System.Text;
using System.Text.Json;

namespace JeDi.Files.Tokenizer;

/// <summary>
/// Learns byte pairs from texts (Sennrich et al. 2016) in the form of CLIP's tokenizer: the 256 bytes, the same as the ends of words, the
/// pairs that are joined, start and end.
/// </summary>
public static class VocabularyLearner
{
    // A pair that stands once is no rule.
    const int LeastCount = 2;

    /// <summary>Writes <c>vocab.json</c> and <c>merges.txt</c> for texts into a folder.</summary>
    /// <param name="folder">Made if it is not there.</param>
    /// <param name="texts">What to learn from.</param>
    /// <param name="most">Most entries of the vocabulary.</param>
    /// <returns>Its entries.</returns>
    public static int Write(string folder, IEnumerable<string> texts, int most)
    {
        IReadOnlyList<string> symbols = ClipTokenizer.Symbols;
        List<string> entries = [.. symbols, .. symbols.Select(symbol => symbol + ClipTokenizer.WordEnd)];
        List<(string, string)> merges = Learn(texts, most - entries.Count - 2);
        entries.AddRange(merges.Select(merge => merge.Item1 + merge.Item2).Where(entry => !entries.Contains(entry)));
        entries.AddRange([ClipTokenizer.StartToken, ClipTokenizer.EndToken]);
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (string entry in entries)
        {
            vocabulary.TryAdd(entry, vocabulary.Count);
        }

        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, "vocab.json"), JsonSerializer.SerializeToUtf8Bytes(vocabulary));
        string lines = string.Concat(merges.Select(merge => $"{merge.Item1} {merge.Item2}\n"));
        AtomicFile.Write(Path.Combine(folder, "merges.txt"), Encoding.UTF8.GetBytes($"#version: 0.2\n{lines}"));
        return vocabulary.Count;
    }

    /// <summary>The most frequent pair again and again; of equals the first in ordinal order.</summary>
    static List<(string, string)> Learn(IEnumerable<string> texts, int most)
    {
        var words = new Dictionary<string, (List<string> Symbols, int Count)>(StringComparer.Ordinal);
        foreach (string word in texts.SelectMany(ClipTokenizer.Words))
        {
            words[word] = words.TryGetValue(word, out (List<string> Symbols, int Count) known)
                ? (known.Symbols, known.Count + 1)
                : (ClipTokenizer.SymbolsOf(word), 1);
        }

        var merges = new List<(string, string)>();
        while (merges.Count < most)
        {
            var counts = new Dictionary<(string, string), int>();
            foreach ((List<string> symbols, int count) in words.Values)
            {
                for (int i = 1; i < symbols.Count; i++)
                {
                    (string, string) pair = (symbols[i - 1], symbols[i]);
                    counts[pair] = counts.GetValueOrDefault(pair) + count;
                }
            }

            if (counts.Count == 0)
            {
                break;
            }

            ((string, string) best, int times) = counts.OrderByDescending(entry => entry.Value)
                .ThenBy(entry => entry.Key.Item1, StringComparer.Ordinal)
                .ThenBy(entry => entry.Key.Item2, StringComparer.Ordinal)
                .First();
            if (times < LeastCount)
            {
                break;
            }

            merges.Add(best);
            foreach ((List<string> symbols, _) in words.Values)
            {
                Join(symbols, best);
            }
        }

        return merges;
    }

    static void Join(List<string> symbols, (string First, string Second) pair)
    {
        for (int i = 0; i + 1 < symbols.Count; i++)
        {
            if (symbols[i] == pair.First && symbols[i + 1] == pair.Second)
            {
                symbols[i] += pair.Second;
                symbols.RemoveAt(i + 1);
            }
        }
    }
}
