using JeDi.Files.Images;
using JeDi.Files.Sets;

namespace JeDi.Training;

/// <summary>A set as the network meets it: scaled latents [M, h, w, C], or pixels, of its images, and their captions.</summary>
sealed record EncodedSet(string File, int Count, float[] Latents, IReadOnlyList<string> Captions)
{
    public long Bytes => Latents.LongLength * sizeof(float);

    /// <summary>The images, as long as their latents are still to be computed: by the thread that computes the steps.</summary>
    public IReadOnlyList<PixelImage>? Waiting { get; set; }
}

/// <summary>
/// Sets that were read and encoded, up to so many bytes: the oldest goes first. What cannot be read is named once and left out from then
/// on. Several threads may ask; sets are read one at a time.
/// </summary>
sealed class SetCache(Func<ISetSource, int, EncodedSet> encode, long mostBytes, Action<string> report)
{
    readonly Recent<EncodedSet> sets = new(mostBytes);
    readonly HashSet<string> broken = [];
    readonly Lock gate = new();

    /// <summary>Samples that were left out so far.</summary>
    public int Skipped
    {
        get
        {
            using Lock.Scope turn = gate.EnterScope();
            return broken.Count;
        }
    }

    /// <summary>The sample of that number, or the first good one after it.</summary>
    /// <exception cref="TrainingException">None can be read.</exception>
    public EncodedSet Take(ISetSource source, int index)
    {
        using Lock.Scope turn = gate.EnterScope();
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
        if (broken.Contains(file))
        {
            return null;
        }

        if (sets.TryGet(file, out EncodedSet? known))
        {
            return known;
        }

        try
        {
            EncodedSet set = encode(source, index);
            sets.Keep(file, set, set.Bytes);
            return set;
        }
        catch (Files.FileException error)
        {
            broken.Add(file);
            report($"skipped: {error.Message}");
            return null;
        }
    }
}
