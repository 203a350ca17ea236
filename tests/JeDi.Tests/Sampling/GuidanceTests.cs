using JeDi.Sampling;

namespace JeDi.Tests.Sampling;

public sealed class GuidanceTests
{
    const double S = 3.5;
    const double I = 6.25;

    static readonly Condition none = new(false, false);
    static readonly Condition text = new(true, false);
    static readonly Condition image = new(false, true);
    static readonly Condition all = new(true, true);

    [Test]
    public void EveryModeIsItsEquation()
    {
        Assert.That(Sum(GuidanceMode.Joint), Is.EqualTo(new[] { (none, 1 - S), (all, S) }));
        Assert.That(Sum(GuidanceMode.TextOnly), Is.EqualTo(new[] { (image, 1 - S), (all, S) }));
        Assert.That(Sum(GuidanceMode.TextFirst), Is.EqualTo(new[] { (none, 1 - S), (text, S - I), (all, I) }));
        Assert.That(Sum(GuidanceMode.ImageFirst), Is.EqualTo(new[] { (none, 1 - I), (image, I - S), (all, S) }));
    }

    /// <summary>Without references there is text and null text only: three predictions become two, with equal results.</summary>
    [Test]
    public void WithoutReferencesEveryModeIsTextGuidance([Values] GuidanceMode mode) =>
        Assert.That(Sum(mode, references: false), Is.EqualTo(new[] { (none, 1 - S), (text, S) }));

    [TestCase(GuidanceMode.Joint)]
    [TestCase(GuidanceMode.TextOnly)]
    public void AFourChannelNetworkKnowsTextAlone(GuidanceMode mode) =>
        Assert.That(Sum(mode, referenceInput: false), Is.EqualTo(new[] { (none, 1 - S), (text, S) }));

    [TestCase(GuidanceMode.TextFirst)]
    [TestCase(GuidanceMode.ImageFirst)]
    public void AFourChannelNetworkRefusesEquation4(GuidanceMode mode) =>
        Assert.That(
            Assert.Throws<SamplingException>(() => Guidance.Conditions(mode, referenceInput: false, references: true))!.Message,
            Does.Contain(Guidance.NameOf(mode)).And.Contain("joint or text-only"));

    [Test]
    public void ScaleOneNeedsTheFullConditionAlone([Values] GuidanceMode mode)
    {
        Condition[] conditions = Guidance.Conditions(mode, referenceInput: true, references: true, unguided: true);
        Assert.That(conditions, Is.EqualTo(new[] { all }));
        Assert.That(Guidance.Coefficients(mode, conditions, 1, 1), Is.EqualTo(new[] { 1.0 }));
        Assert.Throws<SamplingException>(() => Guidance.Coefficients(mode, conditions, 2, 1));
    }

    [Test]
    public void NamesAreThoseOfTheCommandLine()
    {
        Assert.That(Guidance.Names, Is.EqualTo(new[] { "joint", "text-only", "text-first", "image-first" }));
        Assert.That(Guidance.Names.Select(Guidance.Parse).Select(Guidance.NameOf), Is.EqualTo(Guidance.Names));
        string message = Assert.Throws<SamplingException>(() => Guidance.Parse("both"))!.Message;
        Assert.That(message, Does.Contain("'both'").And.Contain("image-first"));
    }

    static (Condition Condition, double Coefficient)[] Sum(GuidanceMode mode, bool referenceInput = true, bool references = true)
    {
        Condition[] conditions = Guidance.Conditions(mode, referenceInput, references);
        return [.. conditions.Zip(Guidance.Coefficients(mode, conditions, S, I))];
    }
}
