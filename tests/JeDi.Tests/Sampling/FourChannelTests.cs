using JeDi.Cpu;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Tests.Sampling;

/// <summary>A network without reference input in a joint run: references act through the replacement trick alone.</summary>
public sealed class FourChannelTests
{
    static readonly SamplerPlan plan = Sampler.Plan("ddim", NoiseSchedule.StableDiffusion, 3);
    static readonly JointShape shape = new(Sets: 1, References: 1, Targets: 1, Height: 8, Width: 16, GuidanceMode.Joint);

    Device device = null!;
    UNet network = null!;

    [OneTimeSetUp]
    public void Load()
    {
        device = new CpuDevice(threads: 2);
        network = JointRun.Tiny(device, channels: 4);
    }

    [OneTimeTearDown]
    public void Unload() => device.Dispose();

    [Test]
    public void AReferenceChangesThePicture()
    {
        using var run = new JointRun(device, network, shape with { KeyBias = KeyBiasKind.PerImage }, plan);
        JointInputs inputs = run.Inputs();
        float[] with = run.Run(inputs)[^1];
        float[] without = run.Run(inputs with { Attention = [new(Weight: 0)] })[^1];
        float[] other = run.Run(inputs with { References = [.. inputs.References.Reverse()] })[^1];
        Assert.That(Comparison.Of(without, with).Relative, Is.GreaterThan(10 * JointRun.Rounding));
        Assert.That(Comparison.Of(other, with).Relative, Is.GreaterThan(10 * JointRun.Rounding));
    }

    /// <summary>
    /// Another clean latent, with noise that makes up for it at the first level: nothing changes there, for alpha clean + sigma noise is
    /// all that the network sees of a reference. At the next level the two part.
    /// </summary>
    [TestCase(4, true)]
    [TestCase(9, false)]
    public void TheNoisyLatentIsAllThatCounts(int channels, bool equal)
    {
        using var run = new JointRun(device, channels == 4 ? network : JointRun.Tiny(device, channels), shape, plan);
        JointInputs inputs = run.Inputs();
        NoiseLevel level = plan.Rows[0].Level;
        float[] moved = [.. inputs.References.Reverse()];
        float[] noise =
        [
            .. inputs.ReferenceNoise.Select((value, i) => (float)(value + level.Alpha / level.Sigma * (inputs.References[i] - moved[i]))),
        ];
        float[][] expected = run.Run(inputs);
        float[][] actual = run.Run(inputs with { References = moved, ReferenceNoise = noise });
        Assert.That(Comparison.Of(actual[0], expected[0]).Relative <= JointRun.Rounding, Is.EqualTo(equal));
        Assert.That(Comparison.Of(actual[1], expected[1]).Relative, Is.GreaterThan(10 * JointRun.Rounding));
    }

    [Test]
    public void JointIsTextOnly()
    {
        using var joint = new JointRun(device, network, shape, plan);
        using var textOnly = new JointRun(device, network, shape with { Guidance = GuidanceMode.TextOnly }, plan);
        Assert.That(textOnly.Run(textOnly.Inputs()), Is.EqualTo(joint.Run(joint.Inputs())));
    }

    [Test]
    public void Equation4IsRefused([Values(GuidanceMode.TextFirst, GuidanceMode.ImageFirst)] GuidanceMode mode) =>
        Assert.That(() => new JointRun(device, network, shape with { Guidance = mode }, plan), Throws.TypeOf<SamplingException>());
}
