using JeDi.Files.Images;
using JeDi.Files.Sets;
using JeDi.Training;

namespace JeDi.Tests.Training;

/// <summary>What is drawn for a batch: which images are references, whose error counts, and how much noise there is.</summary>
public sealed class BatchDrawTests
{
    const int Batches = 400;
    const int Timesteps = 1000;

    static readonly TrainingOptions options = new()
    {
        Data = ["sets"],
        Images = 12,
        SetSizes = [1, 2, 3, 4],
        FullDropout = 0,
        TextDropout = 0,
    };

    /// <summary>Forced: of n images 1 to n - 1 are references, each number about equally often; a single image is a target.</summary>
    [Test]
    public void ForcedMasksLeaveSomethingToCopyAndSomethingToDraw()
    {
        var counts = new int[5, 5];
        foreach (SetBatch batch in Draw(options with { Masks = "forced" }))
        {
            int first = 0;
            foreach (int size in batch.Sizes.Where(size => size > 0))
            {
                counts[size, batch.Mask[first..(first + size)].Count(mask => mask == 0)]++;
                first += size;
            }
        }

        using (Assert.EnterMultipleScope())
        {
            for (int size = 1; size <= 4; size++)
            {
                int all = Enumerable.Range(0, 5).Sum(references => counts[size, references]);
                for (int references = 0; references <= 4; references++)
                {
                    bool possible = size == 1 ? references == 0 : references >= 1 && references < size;
                    double share = possible ? 1.0 / Math.Max(1, size - 1) : 0;

                    // Four standard deviations of a share of so many draws.
                    double tolerance = 4 * Math.Sqrt(share * (1 - share) / all);
                    Assert.That((double)counts[size, references] / all, Is.EqualTo(share).Within(tolerance), $"{references} of {size}");
                }
            }
        }
    }

    /// <summary>Shared: every image has the first caption of its set, whichever image it is; own: its own.</summary>
    [TestCase("own")]
    [TestCase("shared")]
    public void CaptionsAreOfTheImageOrOfTheSet(string captions)
    {
        foreach (SetBatch batch in Draw(options with { Captions = captions }))
        {
            for (int i = 0; i < batch.Pictures.Length; i++)
            {
                (EncodedSet set, int image) = batch.Pictures[i];
                Assert.That(batch.Captions[i], Is.EqualTo(set.Captions[captions == "own" ? image : 0]));
            }
        }
    }

    /// <summary>The shares are those of a mean over the targets, or over all images.</summary>
    [TestCase("targets")]
    [TestCase("all")]
    public void SharesAreThoseOfAMean(string lossOn)
    {
        foreach (SetBatch batch in Draw(options with { Masks = "forced", LossOn = lossOn, Accumulate = 2 }))
        {
            int counted = lossOn == "all" ? batch.Mask.Length : batch.Mask.Count(mask => mask == 1);
            for (int i = 0; i < batch.Mask.Length; i++)
            {
                bool counts = lossOn == "all" || batch.Mask[i] == 1;
                Assert.That(batch.Shares[i], Is.EqualTo(counts ? 1.0 / (2 * counted) : 0).Within(1e-15));
            }
        }
    }

    /// <summary>t / T = 1 - (1 - q)(1 - s q) with uniform q has the mean 1 / 2 + s / 6 and the variance of that polynomial.</summary>
    [TestCase(0.0)]
    [TestCase(0.7)]
    [TestCase(1.0)]
    public void NoiseSkewMovesTheMeanTimestep(double skew)
    {
        int[] timesteps = [.. Draw(options with { SetSizes = [1], NoiseSkew = skew }).SelectMany(batch => batch.Timesteps)];

        // E[x^2] of x = (1 + s) q - s q^2.
        double square = (1 + skew) * (1 + skew) / 3 - skew * (1 + skew) / 2 + skew * skew / 5;
        double mean = 0.5 + skew / 6;
        double deviation = Math.Sqrt((square - mean * mean) / timesteps.Length);

        // Rounding down to whole timesteps takes half of one.
        Assert.That((timesteps.Average() + 0.5) / Timesteps, Is.EqualTo(mean).Within(4 * deviation + 1e-3));
    }

    static IEnumerable<SetBatch> Draw(TrainingOptions options)
    {
        var cache = new SetCache(
            (source, index) => new EncodedSet(source.NameOf(index), 4, new float[16], source.Captions(index)), 1 << 20, _ => { });
        var draw = new BatchDraw(options, [new FourImages()], null, cache, Timesteps);
        return Enumerable.Range(0, Batches).Select(step => draw.Draw(step, 0));
    }

    sealed class FourImages : ISetSource
    {
        public string Name => "sets";

        public int Count => 3;

        public string NameOf(int index) => $"set {index}";

        public IReadOnlyList<string> Captions(int index) => ["a", "b", "c", "d"];

        public ImageSet Load(int index, int size) => new([.. Enumerable.Repeat(new PixelImage(1, 1, new byte[3]), 4)], Captions(index));
    }
}
