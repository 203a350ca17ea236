namespace JeDi.Files.Tokenizer;

/// <summary>Byte-pair encoding (Sennrich et al. 2016): the pair with the lowest rank is joined first, the leftmost of equals.</summary>
/// <param name="ranks">By pair, as <see cref="Pair"/> writes it.</param>
sealed class BytePairs(Dictionary<string, int> ranks)
{
    /// <summary>Between the symbols of a pair, which have none in them.</summary>
    public const char Separator = ' ';

    /// <summary>Two symbols as one text.</summary>
    public static string Pair(string first, string second) => $"{first}{Separator}{second}";

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
                && ranks.TryGetValue(Pair(first, second), out int rank))
            {
                queue.Enqueue((left, first, second), (rank, left));
            }
        }
    }
}
