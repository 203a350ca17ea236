using JeDi.Sampling;

namespace JeDi.Cli.Requests;

/// <summary>Pictures that are computed together: one, or with <c>--together</c> several that share their subject.</summary>
/// <param name="Wishes">With the set's own seed and number of pictures.</param>
/// <param name="Request">Which request it belongs to, from 0.</param>
/// <param name="Key">Its name in the journal, unique in the run.</param>
public sealed record PictureSet(SampleSettings Wishes, int Request, string Key)
{
    /// <summary>
    /// The sets of some requests. A request without a seed goes on counting from the run's, so the k-th picture of a run has seed S + k.
    /// </summary>
    /// <param name="requests">Each with its own seed, or none.</param>
    /// <param name="seed">Of the run.</param>
    /// <param name="offsets">What the seed of each request is beyond the run's; null: they count on from each other.</param>
    public static IReadOnlyList<PictureSet> Of(IReadOnlyList<SampleSettings> requests, long seed, IReadOnlyList<long>? offsets = null)
    {
        var sets = new List<PictureSet>();
        var seen = new Dictionary<string, int>();
        long next = seed;
        foreach ((int index, SampleSettings request) in requests.Index())
        {
            long first = request.Seed ?? (offsets is null ? next : seed + offsets[index]);
            int count = request.Together ? 1 : request.Pictures;
            for (int k = 0; k < count; k++)
            {
                SampleSettings wishes = request with { Seed = first + k, N = request.Together ? request.Pictures : null };

                // Where there is no journal, a number will do.
                string digest = offsets is null ? "set" : Journal.Key(wishes);
                int before = seen.GetValueOrDefault(digest);
                seen[digest] = before + 1;
                sets.Add(new PictureSet(wishes, index, before == 0 ? digest : $"{digest}-{before}"));
            }

            next += request.Pictures;
        }

        return sets;
    }

    /// <summary>All values that count, with the model's defaults where nothing was wished.</summary>
    public SampleSettings Resolve(EngineDefaults defaults) => Wishes with
    {
        Width = Wishes.Width ?? defaults.Width,
        Height = Wishes.Height ?? defaults.Height,
        Steps = Wishes.Steps ?? defaults.Steps,
        Sampler = Wishes.Sampler ?? defaults.Sampler,
        Guidance = Wishes.Guidance ?? Guidance.NameOf(defaults.Guidance),
        TextScale = Wishes.TextScale ?? defaults.TextScale,
        ImageScale = Wishes.ImageScale ?? defaults.ImageScale,
        Strength = Wishes.Init is null ? null : Wishes.Strength ?? (Wishes.Inpaint is null ? 0.8 : null),
    };

    /// <summary>Every file of pictures that the wishes name.</summary>
    public static IEnumerable<string> Files(SampleSettings wishes) =>
        wishes.Reference.SelectMany(reference => (string?[])[reference.File, reference.Mask])
            .Append(wishes.Init)
            .Append(wishes.Inpaint)
            .OfType<string>()
            .Distinct();
}
