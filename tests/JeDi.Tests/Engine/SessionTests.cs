using JeDi.Files.Images;
using JeDi.Sampling;

namespace JeDi.Tests.Engine;

/// <summary>What an application may rely on: pictures depend on the request alone, whoever else asks and however it is batched.</summary>
public sealed class SessionTests
{
    const int Steps = 3;

    static readonly string Model = Repository.Find("weights/tiny-jedi");

    static readonly PixelImage Photo = ImageReader.Read(Repository.Find("tests/trial/one-reference-ref0.png"));

    JeDiEngine engine = null!;

    [OneTimeSetUp]
    public void Load() => engine = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu" });

    [OneTimeTearDown]
    public void Unload() => engine.Dispose();

    [Test]
    public async Task SessionsAtTheSameTimeGiveTheSamePictures()
    {
        byte[][] alone = [await Picture(1), await Picture(2), await Picture(3)];
        byte[][] together = await Task.WhenAll(Picture(1), Picture(2), Picture(3));
        Assert.That(together, Is.EqualTo(alone));
    }

    [Test]
    public async Task SeparateSetsInOneBatchGiveThePicturesOfEach()
    {
        byte[] first = await Picture(7);
        byte[] second = await Picture(8);
        using JeDiSession session = engine.Prepare(Shape() with { Sets = 2 });
        JeDiResult both = await session.GenerateAsync(Request(7));
        Assert.That(both.Seeds, Is.EqualTo(new long[] { 7, 8 }));
        Assert.That(both.Images[0].Rgb, Is.EqualTo(first));
        Assert.That(both.Images[1].Rgb, Is.EqualTo(second));
    }

    [Test]
    public async Task ThreadsChangeNoBit()
    {
        using JeDiEngine single = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu", Threads = 1 });
        using JeDiSession session = single.Prepare(Shape());
        JeDiResult result = await session.GenerateAsync(Request(5));
        Assert.That(result.Images[0].Rgb, Is.EqualTo(await Picture(5)));
    }

    [Test]
    public async Task KeptEncodingsGiveTheSamePicture()
    {
        using JeDiSession session = engine.Prepare(Shape());
        JeDiRequest plain = Request(4);
        JeDiRequest kept = plain with
        {
            Prompts = [engine.Encode("a mosquito")],
            Negative = engine.Encode(""),
            References = [plain.References[0] with { Latent = session.Encode(Photo) }],
        };
        byte[] expected = (await session.GenerateAsync(plain)).Images[0].Rgb;
        Assert.That((await session.GenerateAsync(kept)).Images[0].Rgb, Is.EqualTo(expected));
    }

    [Test]
    public async Task ASessionServesRequestsOfEveryKindAndForgetsThem()
    {
        using JeDiSession session = engine.Prepare(Shape());
        JeDiRequest plain = Request(4);
        byte[] expected = (await session.GenerateAsync(plain)).Images[0].Rgb;
        Reference reference = plain.References[0];
        JeDiRequest[] others =
        [
            plain with { References = [reference with { Weight = 0.5 }] },
            plain with { References = [reference with { Mask = HalfWhite() }] },
            plain with { References = [reference with { End = 0.5 }] },
            plain with { FreshReferenceNoise = true },
            plain with { TorchCudaRandom = true },
            plain with { TextScale = 1 },
            plain with { Negative = "blue" },
            plain with { PadToFit = true, References = [reference with { Image = Photo.Crop(0, 0, 100, 60) }] },
        ];
        var seen = new List<byte[]> { expected };
        foreach (JeDiRequest other in others)
        {
            byte[] picture = (await session.GenerateAsync(other)).Images[0].Rgb;
            Assert.That(seen, Has.None.EqualTo(picture));
            seen.Add(picture);
        }

        Assert.That((await session.GenerateAsync(plain)).Images[0].Rgb, Is.EqualTo(expected));
    }

    [Test]
    public async Task MemoryIsWhatThePlanSays()
    {
        foreach (SessionShape shape in new[] { Shape(), Shape() with { Targets = 2, Sets = 2, AttentionMap = true },
            Shape() with { VaeTiling = true, Width = 256 } })
        {
            MemoryPlan plan = engine.Plan(shape);
            using JeDiSession session = engine.Prepare(shape);
            await session.GenerateAsync(Request(1));
            Assert.That(session.PeakArenaBytes, Is.EqualTo(plan.ArenaBytes), shape.ToString());
            Assert.That(engine.Plan(shape).PreparedBytes, Is.Zero, "all filters are prepared by now");
        }
    }

    [Test]
    public async Task CancellationTakesEffectBetweenSteps()
    {
        using JeDiSession session = engine.Prepare(Shape());
        using var source = new CancellationTokenSource();
        int steps = 0;
        var progress = new Reporter(step =>
        {
            steps = step.Step;
            source.Cancel();
        });
        Assert.That(async () => await session.GenerateAsync(Request(1), progress, source.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(steps, Is.EqualTo(1));
        Assert.That((await session.GenerateAsync(Request(7))).Images[0].Rgb, Is.EqualTo(await Picture(7)));
    }

    [Test]
    public async Task ASessionWithCorrespondencesSaysWhereEachLocationLooks()
    {
        using JeDiSession session = engine.Prepare(Shape() with { AttentionMap = true });
        JeDiResult result = await session.GenerateAsync(Request(7));
        Correspondence map = result.Correspondences.Single();
        Assert.That(map.Location, Has.Length.EqualTo(map.Height * map.Width).And.All.InRange(0, map.Height * map.Width - 1));
        Assert.That(map.Reference, Is.All.Zero);
        Assert.That(map.Share, Is.All.InRange(0f, 1f));
        Assert.That(result.Images[0].Rgb, Is.EqualTo(await Picture(7)), "watching changes nothing");
    }

    [TestCase(100, 0, "width 100 is not a multiple of 64 from 64 to 8192; the nearest is 128")]
    [TestCase(0, 8256, "height 8256 is not a multiple of 64 from 64 to 8192; the nearest is 8192")]
    public void AnImpossibleSizeSaysTheNearest(int width, int height, string message) =>
        Assert.That(() => engine.Prepare(Shape() with { Width = width, Height = height }),
            Throws.TypeOf<JeDiException>().With.Message.EqualTo(message));

    [Test]
    public void TooManyImagesForTheMemorySaysHowMuchIsNeeded() =>
        Assert.That(
            () => engine.Prepare(Shape() with { Targets = 1024, Sets = 1024, Width = 4096, Height = 4096 }),
            Throws.TypeOf<JeDiException>().With.Message.Match("not enough memory: .* needed .* available; try .*"));

    [Test]
    public void ARequestThatDoesNotFitItsSessionSaysSo()
    {
        using JeDiSession session = engine.Prepare(Shape());
        JeDiRequest right = Request(1);
        (JeDiRequest Request, string Message)[] wrong =
        [
            (right with { Prompts = ["a", "b"] }, "2 prompts for 1 targets.*"),
            (right with { References = [] }, "0 references in a request to a session for 1"),
            (right with { Rescale = 0.5 }, "rescale was given.*"),
            (right with { Init = Photo }, "an image to start from needs.*"),
            (right with { References = [right.References[0] with { Weight = 2 }] }, "reference 1: weight 2 is out of range.*"),
            (right with { References = [right.References[0] with { Start = 0.6, End = 0.4 }] }, "reference 1: start 0.6 and end 0.4.*"),
        ];
        foreach ((JeDiRequest request, string message) in wrong)
        {
            Assert.That(() => session.GenerateAsync(request), Throws.TypeOf<JeDiException>().With.Message.Match(message));
        }
    }

    static SessionShape Shape() => new(References: 1, Guidance: GuidanceMode.Joint, Steps: Steps);

    static JeDiRequest Request(long seed) => new()
    {
        Prompts = ["a mosquito"],
        References = [new Reference { Image = Photo }],
        Seed = seed,
    };

    static PixelImage HalfWhite()
    {
        var rgb = new byte[3 * 128 * 128];
        rgb.AsSpan(0, rgb.Length / 2).Fill(255);
        return new PixelImage(128, 128, rgb);
    }

    async Task<byte[]> Picture(long seed)
    {
        using JeDiSession session = engine.Prepare(Shape());
        return (await session.GenerateAsync(Request(seed))).Images[0].Rgb;
    }

    sealed class Reporter(Action<StepProgress> report) : IProgress<StepProgress>
    {
        public void Report(StepProgress value) => report(value);
    }
}
