namespace JeDi.Files;

/// <summary>What somebody may have meant who wrote an unknown name.</summary>
public static class NearMiss
{
    const int MostEdits = 2;

    /// <summary>"did you mean steps? ", or nothing if no known name is near.</summary>
    public static string Suggest(string token, IEnumerable<string> known)
    {
        string? near = known.Select(name => (name, distance: Distance(token, name)))
            .Where(candidate => candidate.distance <= MostEdits)
            .OrderBy(candidate => candidate.distance)
            .Select(candidate => candidate.name)
            .FirstOrDefault();
        return near is null ? "" : $"did you mean {near}? ";
    }

    /// <summary>Levenshtein distance: insertions, deletions and replacements from one word to the other.</summary>
    static int Distance(string from, string to)
    {
        int[] row = [.. Enumerable.Range(0, to.Length + 1)];
        foreach (char letter in from)
        {
            int diagonal = row[0]++;
            for (int j = 1; j < row.Length; j++)
            {
                int replaced = diagonal + (to[j - 1] == letter ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
