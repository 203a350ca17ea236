using JeDi.Files.Random;
using JeDi.Files.Sets;

namespace JeDi.Training;

/// <summary>The numbers of one batch of sets: images lie set by set.</summary>
/// <param name="Sizes">Images of each set, padded with empty sets to one per image.</param>
/// <param name="Pictures">Where each image's scaled latent is: a set and a number in it.</param>
/// <param name="Noise">What the network is to predict [n, h, w, C].</param>
/// <param name="Mask">1: to be generated; 0: a reference [n].</param>
/// <param name="Timesteps">One for all images of a set [n].</param>
/// <param name="Captions">Of each image; empty where the text is dropped.</param>
/// <param name="Shares">How much each image's loss counts, before the weighting by noise level [n].</param>
/// <param name="Files">Where the images come from.</param>
sealed record SetBatch(
    int[] Sizes,
    (EncodedSet Set, int Image)[] Pictures,
    float[] Noise,
    float[] Mask,
    int[] Timesteps,
    string[] Captions,
    double[] Shares,
    string[] Files)
{
    /// <summary>Scaled latents [n, h, w, C], when all are computed.</summary>
    public float[] Clean()
    {
        var clean = new float[Noise.Length];
        int each = clean.Length / Pictures.Length;
        for (int i = 0; i < Pictures.Length; i++)
        {
            Pictures[i].Set.Latents.AsSpan(Pictures[i].Image * each, each).CopyTo(clean.AsSpan(i * each));
        }

        return clean;
    }
}

/// <summary>Draws batches: which sets, which of their images, what is hidden, how much noise (section 3.2 of the paper).</summary>
sealed class BatchDraw(TrainingOptions options, IReadOnlyList<ISetSource> sources, ISetSource? prior, SetCache cache, int timesteps)
{
    readonly double[] weights = options.Weights.Length > 0 ? options.Weights : [.. sources.Select(_ => 1.0)];

    /// <summary>Batch <paramref name="part"/> of a step; follows from the seed and these numbers alone.</summary>
    /// <param name="dropout">Whether texts and references are dropped at times: not in a validation.</param>
    public SetBatch Draw(long step, int part, bool dropout = true)
    {
        var random = new SplitMix(options.Seed, step, part);
        var batch = new Parts();
        int own = prior is null ? options.Images : options.Images - options.Images / 2;
        Fill(batch, own, own, 1, random, dropout, () => sources[random.Weighted(weights)]);
        if (prior is not null)
        {
            int others = options.Images - own;
            Fill(batch, options.Images, others, options.PriorWeight, random, dropout, () => prior);
        }

        int[] sizes = [.. batch.Sizes, .. Enumerable.Repeat(0, options.Images - batch.Sizes.Count)];
        var noise = new float[batch.Pictures.Sum(picture => picture.Set.Latents.Length / picture.Set.Count)];
        random.Normal(noise);
        return new SetBatch(
            sizes,
            [.. batch.Pictures],
            noise,
            [.. batch.Mask],
            [.. batch.Timesteps],
            [.. batch.Captions],
            [.. batch.Shares],
            [.. batch.Files]);
    }

    /// <summary>Sets until there are so many images; the mean is over those of the whole step.</summary>
    void Fill(Parts batch, int until, int images, double share, SplitMix random, bool dropout, Func<ISetSource> source)
    {
        while (batch.Captions.Count < until)
        {
            int wanted = Math.Min(options.SetSizes[random.Below(options.SetSizes.Length)], until - batch.Captions.Count);
            ISetSource from = source();
            EncodedSet set = cache.Take(from, random.Below(from.Count));
            int size = Math.Min(wanted, set.Count);
            int[] chosen = random.Choose(size, set.Count);
            int timestep = Timestep(random);
            int references = size > 1 ? 1 + random.Below(size - 1) : 0;
            double dropped = random.Uniform();
            bool noReferences = dropout && dropped < options.FullDropout;
            bool noText = dropout && dropped < options.FullDropout + options.TextDropout;
            batch.Sizes.Add(size);
            for (int i = 0; i < size; i++)
            {
                int image = chosen[i];
                bool drawn = random.Uniform() < options.ReferenceProbability;
                bool reference = options.Masks == "forced" ? i < references : drawn;
                batch.Pictures.Add((set, image));
                batch.Mask.Add(reference && !noReferences ? 0 : 1);
                batch.Timesteps.Add(timestep);
                batch.Captions.Add(noText ? "" : set.Captions[options.Captions == "shared" ? 0 : image]);
                batch.Shares.Add(options.LossOn == "targets" ? share * batch.Mask[^1] : share);
                batch.Files.Add(set.File);
            }
        }

        Average(batch.Shares, until - images);
    }

    /// <summary>From that image on the shares become those of a mean over the images that have a loss and the step's batches.</summary>
    void Average(List<double> shares, int first)
    {
        int counted = Math.Max(1, shares.Skip(first).Count(share => share > 0));
        for (int i = first; i < shares.Count; i++)
        {
            shares[i] /= (double)counted * options.Accumulate;
        }
    }

    int Timestep(SplitMix random)
    {
        double q = random.Uniform();
        return (int)(timesteps * (options.NoiseSkew == 0 ? q : 1 - (1 - q) * (1 - options.NoiseSkew * q)));
    }

    sealed class Parts
    {
        public List<int> Sizes { get; } = [];

        public List<(EncodedSet Set, int Image)> Pictures { get; } = [];

        public List<float> Mask { get; } = [];

        public List<int> Timesteps { get; } = [];

        public List<string> Captions { get; } = [];

        public List<double> Shares { get; } = [];

        public List<string> Files { get; } = [];
    }
}
