using JeDi.Files.Sets;

namespace JeDi.Training;

/// <summary>A set as the U-Net meets it: scaled latents [M, h, w, C] of its images, and their captions.</summary>
sealed record EncodedSet(string File, int Count, float[] Latents, IReadOnlyList<string> Captions);

/// <summary>
/// Sets that were read and encoded, up to so many bytes: the oldest goes first. What cannot be read is named once and left out from then
/// on.
/// </summary>
sealed class SetCache(Func<ISetSource, int, EncodedSet> encode, long mostBytes, Action<string> report)
{
    readonly Dictionary<string, EncodedSet> sets = [];
    readonly Queue<string> order = new();
    readonly HashSet<string> broken = [];
    long bytes;

    /// <summary>Samples that were left out so far.</summary>
    public int Skipped => broken.Count;

    /// <summary>The sample of that number, or the first good one after it.</summary>
    /// <exception cref="TrainingException">None can be read.</exception>
    public EncodedSet Take(ISetSource source, int index)
    {
        for (int i = 0; i < source.Count; i++)
        {
            if (Find(source, (index + i) % source.Count) is EncodedSet set)
            {
                return set;
            }
        }

        throw new TrainingException($"{source.Name}: none of its {source.Count} sets can be used");
    }

    EncodedSet? Find(ISetSource source, int index)
    {
        string file = source.NameOf(index);
        if (sets.TryGetValue(file, out EncodedSet? known) || broken.Contains(file))
        {
            return known;
        }

        try
        {
            EncodedSet set = encode(source, index);
            Keep(set);
            return set;
        }
        catch (Files.FileException error)
        {
            broken.Add(file);
            report($"skipped: {error.Message}");
            return null;
        }
    }

    void Keep(EncodedSet set)
    {
        sets.Add(set.File, set);
        order.Enqueue(set.File);
        bytes += set.Latents.LongLength * sizeof(float);
        while (bytes > mostBytes && order.Count > 1)
        {
            sets.Remove(order.Dequeue(), out EncodedSet? oldest);
            bytes -= oldest!.Latents.LongLength * sizeof(float);
        }
    }
}
