namespace JeDi.Training;

/// <summary>The numbers of one batch of sets: images lie set by set.</summary>
/// <param name="Sizes">Images of each set, padded with empty sets to one per image.</param>
/// <param name="Clean">Scaled latents [n, h, w, C].</param>
/// <param name="Noise">What the network is to predict [n, h, w, C].</param>
/// <param name="Mask">1: to be generated; 0: a reference [n].</param>
/// <param name="Timesteps">One for all images of a set [n].</param>
/// <param name="Captions">Of each image; empty where the text is dropped.</param>
/// <param name="Shares">How much each image's loss counts, before the weighting by noise level [n].</param>
/// <param name="Files">Where the images come from.</param>
sealed record SetBatch(
    int[] Sizes, float[] Clean, float[] Noise, float[] Mask, int[] Timesteps, string[] Captions, double[] Shares, string[] Files);

/// <summary>Draws batches: which sets, which of their images, what is hidden, how much noise (section 3.2 of the paper).</summary>
sealed class BatchDraw(TrainingOptions options, IReadOnlyList<SetSource> sources, SetSource? prior, SetCache cache, int timesteps)
{
    readonly double[] weights = options.Weights.Length > 0 ? options.Weights : [.. sources.Select(_ => 1.0)];

    /// <summary>Batch <paramref name="part"/> of a step; follows from the seed and these numbers alone.</summary>
    /// <param name="dropout">Whether texts and references are dropped at times: not in a validation.</param>
    public SetBatch Draw(long step, int part, bool dropout = true)
    {
        var random = new StepRandom(options.Seed, step, part);
        var batch = new Parts();
        int own = prior is null ? options.Images : options.Images - options.Images / 2;
        Fill(batch, own, own, 1, random, dropout, () => sources[random.Weighted(weights)]);
        if (prior is not null)
        {
            int others = options.Images - own;
            Fill(batch, options.Images, others, options.PriorWeight, random, dropout, () => prior);
        }

        int[] sizes = [.. batch.Sizes, .. Enumerable.Repeat(0, options.Images - batch.Sizes.Count)];
        float[] clean = [.. batch.Clean.SelectMany(latent => latent)];
        var noise = new float[clean.Length];
        random.Normal(noise);
        return new SetBatch(
            sizes, clean, noise, [.. batch.Mask], [.. batch.Timesteps], [.. batch.Captions], [.. batch.Shares], [.. batch.Files]);
    }

    /// <summary>Sets until there are so many images; the mean is over those of the whole step.</summary>
    void Fill(Parts batch, int until, int images, double share, StepRandom random, bool dropout, Func<SetSource> source)
    {
        while (batch.Captions.Count < until)
        {
            int wanted = Math.Min(options.SetSizes[random.Below(options.SetSizes.Length)], until - batch.Captions.Count);
            SetSource from = source();
            EncodedSet set = cache.Take(from, random.Below(from.Files.Count));
            int size = Math.Min(wanted, set.Count);
            int[] chosen = random.Choose(size, set.Count);
            int timestep = random.Below(timesteps);
            double dropped = random.Uniform();
            bool noReferences = dropout && dropped < options.FullDropout;
            bool noText = dropout && dropped < options.FullDropout + options.TextDropout;
            int latent = set.Latents.Length / set.Count;
            batch.Sizes.Add(size);
            foreach (int image in chosen)
            {
                bool reference = random.Uniform() < options.ReferenceProbability;
                batch.Clean.Add(set.Latents[(image * latent)..((image + 1) * latent)]);
                batch.Mask.Add(reference && !noReferences ? 0 : 1);
                batch.Timesteps.Add(timestep);
                batch.Captions.Add(noText ? "" : set.Captions[image]);
                batch.Shares.Add(share / ((long)images * options.Accumulate));
                batch.Files.Add(set.File);
            }
        }
    }

    sealed class Parts
    {
        public List<int> Sizes { get; } = [];

        public List<float[]> Clean { get; } = [];

        public List<float> Mask { get; } = [];

        public List<int> Timesteps { get; } = [];

        public List<string> Captions { get; } = [];

        public List<double> Shares { get; } = [];

        public List<string> Files { get; } = [];
    }
}
