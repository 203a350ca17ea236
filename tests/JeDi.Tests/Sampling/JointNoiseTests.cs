using JeDi.Files.Random;
using JeDi.Sampling;

namespace JeDi.Tests.Sampling;

public sealed class JointNoiseTests
{
    const int Channels = 4;
    const int Latent = 3 * 2 * Channels;

    static readonly JointShape shape = new(Sets: 2, References: 2, Targets: 3, Height: 3, Width: 2, GuidanceMode.Joint);
    static readonly SamplerPlan lcm = Sampler.Plan("lcm", NoiseSchedule.StableDiffusion, 4);

    [Test]
    public void TargetsStartFromTheStreamsOfConsecutiveSeeds()
    {
        JointNoise noise = JointNoise.Draw(shape, lcm, Channels, 7, seed => new Telltale(seed));
        long[] seeds = [7, 8, 9, 8, 9, 10];
        Assert.That(noise.Initial, Has.Length.EqualTo(6 * Latent));
        Assert.That(seeds.Select((_, i) => noise.Initial[i * Latent]), Is.EqualTo(seeds.Select(seed => 1000f * seed)));
        Assert.That(noise.Initial[..5], Is.EqualTo(new[] { 7000f, 7006, 7012, 7018, 7001 }), "channels are the innermost dimension");
    }

    [Test]
    public void LaterDrawsGoOnInTheSameStream()
    {
        JointNoise noise = JointNoise.Draw(shape, lcm, Channels, 7, seed => new Telltale(seed));
        Assert.That(noise.Step, Has.Length.EqualTo(3 * 6 * Latent), "LCM draws n - 1 times");
        Assert.That(noise.Step[(2 * 6 + 1) * Latent], Is.EqualTo(8300), "third draw in the loop of target 1");
    }

    [Test]
    public void ReferencesHaveStreamsOfTheirOwn()
    {
        long[] seeds = [1_000_007, 1_000_008, 1_000_008, 1_000_009];
        JointNoise kept = JointNoise.Draw(shape, lcm, Channels, 7, seed => new Telltale(seed));
        Assert.That(kept.Reference, Has.Length.EqualTo(4 * Latent));
        Assert.That(seeds.Select((_, i) => kept.Reference[i * Latent]), Is.EqualTo(seeds.Select(seed => 1000f * seed)));
        JointShape freshShape = shape with { FreshReferenceNoise = true };
        JointNoise fresh = JointNoise.Draw(freshShape, lcm, Channels, -1_000_000, seed => new Telltale(seed));
        Assert.That(fresh.Reference, Has.Length.EqualTo(4 * 4 * Latent));
        Assert.That(fresh.Reference[(3 * 4 + 1) * Latent], Is.EqualTo(1300), "fourth evaluation of reference 1");
    }

    [Test]
    public void APictureDoesNotDependOnItsBatch()
    {
        JointNoise both = JointNoise.Draw(shape, lcm, Channels, 7, seed => new Telltale(seed));
        JointNoise second = JointNoise.Draw(shape with { Sets = 1 }, lcm, Channels, 8, seed => new Telltale(seed));
        Assert.That(both.Initial[(3 * Latent)..], Is.EqualTo(second.Initial));
        Assert.That(both.Reference[(2 * Latent)..], Is.EqualTo(second.Reference));
        Assert.That(both.Step[(3 * Latent)..(6 * Latent)], Is.EqualTo(second.Step[..(3 * Latent)]));
    }

    /// <summary>The stream of a seed that tells who drew what: value = 1000 seed + 100 draw + position in [4, h, w].</summary>
    sealed class Telltale(long seed) : INormalStream
    {
        int draw;

        public void Normal(Span<float> values)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = 1000 * seed + 100 * draw + i;
            }

            draw++;
        }
    }
}
