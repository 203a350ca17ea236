using System.Text;

namespace JeDi.Files.Tokenizer;

/// <summary>Byte-pair encoding (Sennrich et al. 2016): the pair with the lowest rank is joined first, the leftmost of equals.</summary>
sealed class BytePairs
{
    // Between the symbols of a pair, which have none in them.
    const char Separator = ' ';

    // Of a line in CLIP's file, on average.
    const int LineChars = 10;

    /// <summary>By pair, as it stands in the file.</summary>
    readonly SymbolTable ranks;

    BytePairs(SymbolTable ranks) => this.ranks = ranks;

    /// <summary>Reads <c>merges.txt</c>: a pair a line, the lowest rank first.</summary>
    /// <exception cref="FileException">The file is missing, or a line is no pair.</exception>
    public static BytePairs Read(string path)
    {
        char[] text = Encoding.UTF8.GetChars(TokenizerFiles.ReadTable(path));
        var ranks = new SymbolTable(text, text.Length / LineChars);
        int number = 0;
        for (int start = 0, next; start < text.Length; start = next)
        {
            number++;
            ReadOnlySpan<char> merge = text.AsSpan(start);
            int end = merge.IndexOf('\n');
            next = end < 0 ? text.Length : start + end + 1;
            merge = (end < 0 ? merge : merge[..end]).TrimEnd('\r');
            if (merge.IsEmpty || merge.StartsWith("#version", StringComparison.Ordinal))
            {
                continue;
            }

            int between = merge.IndexOf(Separator);
            if (between <= 0 || between == merge.Length - 1 || merge[(between + 1)..].Contains(Separator))
            {
                throw new FileException(path, $"line {number} is not a pair of symbols");
            }

            ranks.TryAdd(start, merge.Length, ranks.Count);
        }

        return new BytePairs(ranks);
    }

    /// <summary>Joins the symbols of a word until no pair has a rank; n log n, so that a word of any length comes to an end.</summary>
    public List<string> Join(List<string> symbols)
    {
        int count = symbols.Count;
        string?[] at = [.. symbols];
        int[] next = [.. Enumerable.Range(1, count)];
        int[] previous = [.. Enumerable.Range(-1, count)];
        var queue = new PriorityQueue<(int Left, string First, string Second), (int Rank, int Left)>();
        for (int i = 0; i + 1 < count; i++)
        {
            Offer(i);
        }

        while (queue.TryDequeue(out var pair, out _))
        {
            int left = pair.Left;
            int right = next[left];
            if (right >= count || at[left] != pair.First || at[right] != pair.Second)
            {
                continue;
            }

            at[left] = pair.First + pair.Second;
            at[right] = null;
            next[left] = next[right];
            if (next[left] < count)
            {
                previous[next[left]] = left;
            }

            Offer(left);
            Offer(previous[left]);
        }

        return [.. at.OfType<string>()];

        void Offer(int left)
        {
            if (left >= 0 && at[left] is string first && next[left] < count && at[next[left]] is string second
                && ranks.TryGetValue($"{first}{Separator}{second}", out int rank))
            {
                queue.Enqueue((left, first, second), (rank, left));
            }
        }
    }
}
