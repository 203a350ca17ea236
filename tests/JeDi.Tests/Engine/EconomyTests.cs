using JeDi.Files.Images;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Tests.Engine;

/// <summary>Options that save time or memory: what they may change, and what not.</summary>
public sealed class EconomyTests
{
    static readonly string model = Repository.Find("tests/trial/tiny-jedi");
    static readonly PixelImage photo = ImageReader.Read(Repository.Find("tests/trial/two-references-ref0.png"));

    /// <summary>Guidance in none of the steps is a text scale of 1, whose sum of predictions is the full condition's.</summary>
    [Test]
    public async Task GuidanceInNoStepIsAScaleOfOne()
    {
        using JeDiEngine engine = JeDiEngine.Load(model, new EngineOptions { Device = "cpu" });
        using JeDiSession session = engine.Prepare(Shape());
        byte[] plain = await Picture(session, Request());
        byte[] alone = await Picture(session, Request() with { TextScale = 1 });
        Assert.That(await Picture(session, Request() with { GuidanceFrom = 0.99 }), Is.EqualTo(alone));
        Assert.That(alone, Is.Not.EqualTo(plain));
        byte[] some = await Picture(session, Request() with { GuidanceFrom = 0.3, GuidanceTo = 0.7 });
        Assert.That(some, Is.Not.EqualTo(plain).And.Not.EqualTo(alone));
        Assert.That(await Picture(session, Request()), Is.EqualTo(plain), "nothing is left of the requests before");
        Assert.That(
            () => session.GenerateAsync(Request() with { GuidanceFrom = 0.5, GuidanceTo = 0.5 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("0.5"));
    }

    /// <summary>
    /// With features that are always computed the picture is the plain one, with those of the step before it is another; with masks, whose
    /// biases lie in tables of each kind of step, the same.
    /// </summary>
    [TestCase(false)]
    [TestCase(true)]
    public async Task ReuseChangesThePictureOnlyWhereThereIsAStepBefore(bool mask)
    {
        using JeDiEngine engine = JeDiEngine.Load(model, new EngineOptions { Device = "cpu" });
        JeDiRequest request = Request();
        if (mask)
        {
            request = request with { References = [request.References[0] with { Mask = photo, Weight = 0.9, Start = 0.2 }] };
        }

        foreach ((int steps, bool same) in new[] { (1, true), (5, false) })
        {
            using JeDiSession plain = engine.Prepare(Shape() with { Steps = steps });
            using JeDiSession reusing = engine.Prepare(Shape() with { Steps = steps, ReuseInterval = 2 });
            byte[] expected = await Picture(plain, request);
            byte[] actual = await Picture(reusing, request);
            Assert.That(actual, same ? Is.EqualTo(expected) : Is.Not.EqualTo(expected), $"{steps} steps");
            Assert.That(await Picture(reusing, request), Is.EqualTo(actual), "again");
        }
    }

    /// <summary>
    /// Wherever a stop meets it, loading, encoding or denoising, the next request finds the session as if nothing had been.
    /// </summary>
    [Test]
    public async Task LowMemoryGoesOnAfterAStop()
    {
        using JeDiEngine engine = JeDiEngine.Load(model, new EngineOptions { Device = "cpu", LowMemory = true });
        using JeDiSession session = engine.Prepare(Shape());
        byte[] expected = await Picture(session, Request());
        for (int delay = 0; delay < 400; delay += delay / 2 + 1)
        {
            using var stop = new CancellationTokenSource(delay);
            try
            {
                await session.GenerateAsync(Request(), null, stop.Token);
            }
            catch (OperationCanceledException)
            {
            }
        }

        Assert.That(await Picture(session, Request()), Is.EqualTo(expected));
    }

    /// <summary>The same pictures with one network at a time, whether decoded at once or later; and one session at a time.</summary>
    [Test]
    public async Task LowMemoryGivesTheSamePictures()
    {
        using JeDiEngine engine = JeDiEngine.Load(model, new EngineOptions { Device = "cpu" });
        using JeDiEngine small = JeDiEngine.Load(model, new EngineOptions { Device = "cpu", LowMemory = true });
        using JeDiSession usual = engine.Prepare(Shape());
        using JeDiSession session = small.Prepare(Shape());
        byte[] expected = await Picture(usual, Request());
        Assert.That(await Picture(session, Request()), Is.EqualTo(expected));
        JeDiRequest later = Request() with { LatentsOnly = true };
        JeDiResult first = await session.GenerateAsync(later);
        Assert.That(first.Images, Is.Empty);
        Assert.That(session.Decode(later, first).Images[0].Rgb, Is.EqualTo(expected));
        Assert.That(session.ArenaBytes, Is.Zero, "given back");
        Assert.That(() => small.Prepare(Shape()), Throws.TypeOf<JeDiException>().With.Message.Contains("one session"));
        MemoryPlan plan = small.Plan(Shape());
        MemoryPlan all = engine.Plan(Shape());
        Assert.That(plan.WeightBytes + plan.ArenaBytes, Is.LessThan(all.WeightBytes + all.ArenaBytes));
    }

    /// <summary>A budget for filters changes no bit, and is kept to.</summary>
    [Test]
    public async Task KeptFiltersChangeNoBit()
    {
        using JeDiEngine engine = JeDiEngine.Load(model, new EngineOptions { Device = "cpu" });
        using JeDiEngine keeping = JeDiEngine.Load(model, new EngineOptions { Device = "cpu", KeptFilterBytes = 8 << 20 });
        using JeDiSession usual = engine.Prepare(Shape());
        using JeDiSession session = keeping.Prepare(Shape());
        long planned = keeping.Plan(Shape()).PreparedBytes;
        Assert.That(await Picture(session, Request()), Is.EqualTo(await Picture(usual, Request())));
        Assert.That(keeping.Device.PreparedBytes, Is.EqualTo(planned).And.InRange(1, 8 << 20));
        Assert.That(engine.Device.PreparedBytes, Is.Zero);
    }

    /// <summary>Kept in another type, weights are other numbers; widened ones are the same.</summary>
    [Test]
    public async Task WiderWeightsAreTheSameNumbers()
    {
        var pictures = new Dictionary<string, byte[]>();
        foreach (DType? type in new DType?[] { null, DType.F16, DType.F32 })
        {
            using JeDiEngine engine = JeDiEngine.Load(model, new EngineOptions { Device = "cpu", Weights = type });
            using JeDiSession session = engine.Prepare(Shape());
            pictures.Add($"{type}", await Picture(session, Request()));
        }

        using JeDiEngine files = JeDiEngine.Load(model, new EngineOptions { Device = "cpu" });
        DType stored = files.Checkpoint.Weights(JeDi.Models.Component.UNet)[0].Type;
        Assert.That(pictures["F32"], Is.EqualTo(pictures[""]));
        Assert.That(pictures["F16"], stored == DType.F16 ? Is.EqualTo(pictures[""]) : Is.Not.EqualTo(pictures[""]));
    }

    static async Task<byte[]> Picture(JeDiSession session, JeDiRequest request) => (await session.GenerateAsync(request)).Images[0].Rgb;

    static SessionShape Shape() => new(References: 1, Guidance: GuidanceMode.Joint, Steps: 5);

    static JeDiRequest Request() => new()
    {
        Prompts = ["a mosquito"],
        References = [new Reference { Image = photo }],
        Seed = 4,
    };
}
