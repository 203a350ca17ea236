using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tests.Models;

namespace JeDi.Tests.Sampling;

/// <summary>Evaluations that leave something out: which they are, and that nothing else changes.</summary>
public sealed class StepScheduleTests
{
    [Test]
    public void NothingIsLeftOutByDefault() =>
        Assert.That(Of(new StepSchedule(), "dpmpp-2m", 7), Is.EqualTo("GGGGGGG"));

    [Test]
    public void AllIsAloneWithoutGuidance() =>
        Assert.That(Text(new StepSchedule(3).Of(Plan("ddim", 5), unguided: true)), Is.EqualTo("AaaAa"));

    /// <summary>G and A: with guidance and alone, small: with deep features of the evaluation before.</summary>
    [TestCase(3, 0, 1, "GggGggGggG")]
    [TestCase(1, 0.2, 0.8, "AAGGGGGGAA")]
    [TestCase(5, 0.2, 0.8, "AaGggggGAa")]
    [TestCase(4, 0.5, 0.6, "AaaaAGAaaa")]
    [TestCase(1, 0.95, 1, "AAAAAAAAAA")]
    public void IntervalsBeginAnewWhereGuidanceChanges(int interval, double from, double to, string expected) =>
        Assert.That(Of(new StepSchedule(interval, from, to), "ddim", 10), Is.EqualTo(expected));

    /// <summary>Heun evaluates all steps but the last twice: shares are of steps.</summary>
    [Test]
    public void SharesAreOfSteps() => Assert.That(Of(new StepSchedule(1, 0.5, 1), "heun", 4), Is.EqualTo("AAAAGGG"));

    /// <summary>
    /// Features that are kept change no bit of their own evaluation, and reused for the same input they give the same prediction: the last
    /// block is all that is computed again. For other inputs they do not.
    /// </summary>
    [TestCase(false)]
    [TestCase(true)]
    public void ReusedForTheSameInputDeepFeaturesGiveTheSameBits(bool targets)
    {
        using var unet = new TinyUNet();
        int[]? wanted = targets ? [1, 3] : null;
        float[][] expected = unet.Run(["a", "b", "c", "d"], [2, 2], targets: wanted);
        Tensor deep = unet.Ops.New([4, TinyUNet.Size, TinyUNet.Size, unet.Config.Channels[0]]);
        Assert.That(unet.Run(["a", "b", "c", "d"], [2, 2], targets: wanted, deep: deep), Is.EqualTo(expected), "kept");
        Assert.That(unet.Run(["a", "b", "c", "d"], [2, 2], targets: wanted, deep: deep, reuse: true), Is.EqualTo(expected), "reused");
        Assert.That(unet.Run(["e", "f", "g", "h"], [2, 2], targets: wanted, deep: deep, reuse: true),
            Is.Not.EqualTo(unet.Run(["e", "f", "g", "h"], [2, 2], targets: wanted)), "of other images");
    }

    static SamplerPlan Plan(string sampler, int steps) => Sampler.Plan(sampler, NoiseSchedule.StableDiffusion, steps);

    static string Of(StepSchedule schedule, string sampler, int steps) => Text(schedule.Of(Plan(sampler, steps), unguided: false));

    static string Text(IReadOnlyList<(bool Unguided, bool ReusesDeep)> steps) => string.Concat(steps.Select(step =>
        (step.Unguided, step.ReusesDeep) switch
        {
            (false, false) => 'G',
            (false, true) => 'g',
            (true, false) => 'A',
            _ => 'a',
        }));
}
