using JeDi.Files.Random;
using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>
/// All noise of a joint run. Every image has a stream of its own and takes each latent [4, h, w] from it in one draw, first what it
/// starts from, then what the loop asks for: a picture depends on the seed and the inputs of its set alone, never on the batch that it
/// was computed in. Latents are [.., h, w, 4], set by set.
/// </summary>
/// <param name="Initial">Of the targets [sets * T, h, w, 4].</param>
/// <param name="Reference">Of the references, for the whole run or for each evaluation [evaluations, sets * R, h, w, 4].</param>
/// <param name="Step">Of the evaluations that draw, in order [draws, sets * T, h, w, 4].</param>
public sealed record JointNoise(float[] Initial, float[] Reference, float[] Step)
{
    const long FirstReferenceSeed = 1_000_000;

    /// <summary>A latent as the stream gives it.</summary>
    float[]? OneDraw { get; set; }

    /// <summary>Seed of target <paramref name="target"/> of separate set <paramref name="set"/> of a run with this seed.</summary>
    public static long SeedOfTarget(long seed, int set, int target) => seed + set + target;

    /// <summary>Seed of reference <paramref name="reference"/> of separate set <paramref name="set"/> of a run with this seed.</summary>
    public static long SeedOfReference(long seed, int set, int reference) => seed + set + FirstReferenceSeed + reference;

    /// <summary>Draws everything that a run will need.</summary>
    /// <param name="shape">Who takes part.</param>
    /// <param name="plan">Which evaluations draw.</param>
    /// <param name="channels">Of the latents.</param>
    /// <param name="seed">Of the first set; the k-th has seed + k. PyTorch's CPU streams know the low 32 bits only.</param>
    /// <param name="open">The normal stream of a seed.</param>
    /// <param name="into">What an earlier run of the same shape and plan drew, to be overwritten; null: new arrays.</param>
    public static JointNoise Draw(
        JointShape shape, SamplerPlan plan, int channels, long seed, Func<long, INormalStream> open, JointNoise? into = null)
    {
        int draws = plan.Rows.Count(row => row.DrawsNoise);
        int referenceDraws = shape.FreshReferenceNoise ? plan.Rows.Count : 1;
        int pixels = shape.Height * shape.Width;
        int latent = pixels * channels;
        JointNoise noise = into ?? new JointNoise(
            new float[shape.AllTargets * latent],
            new float[referenceDraws * shape.AllReferences * latent],
            new float[draws * shape.AllTargets * latent]);
        float[] drawn = noise.OneDraw is { } kept && kept.Length == latent ? kept : noise.OneDraw = new float[latent];
        for (int i = 0; i < shape.AllTargets; i++)
        {
            INormalStream stream = open(SeedOfTarget(seed, i / shape.Targets, i % shape.Targets));
            Take(stream, noise.Initial, i);
            for (int draw = 0; draw < draws; draw++)
            {
                Take(stream, noise.Step, draw * shape.AllTargets + i);
            }
        }

        for (int i = 0; i < shape.AllReferences; i++)
        {
            INormalStream stream = open(SeedOfReference(seed, i / shape.References, i % shape.References));
            for (int draw = 0; draw < referenceDraws; draw++)
            {
                Take(stream, noise.Reference, draw * shape.AllReferences + i);
            }
        }

        return noise;

        void Take(INormalStream stream, float[] destination, int index)
        {
            stream.Normal(drawn);
            Layouts.NchwToNhwc(drawn, destination.AsSpan(index * latent, latent), 1, channels, pixels);
        }
    }
}
