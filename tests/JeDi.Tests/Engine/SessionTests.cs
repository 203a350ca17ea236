using JeDi.Files.Images;
using JeDi.Sampling;

namespace JeDi.Tests.Engine;

/// <summary>What an application may rely on: pictures depend on the request alone, whoever else asks and however it is batched.</summary>
public sealed class SessionTests
{
    const int Steps = 3;

    /// <summary>More than are done while a test does its next thing.</summary>
    const int Many = 1000;

    static readonly string Model = Repository.Find("tests/trial/tiny-jedi");

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

    static IEnumerable<TestCaseData> MemoryCases()
    {
        JeDiRequest plain = Request(1);
        JeDiRequest masked = plain with { References = [plain.References[0] with { Mask = HalfWhite() }] };
        JeDiRequest alone = plain with { References = [] };
        SessionShape shape = Shape();
        return [
            Case("plain", shape, plain),
            Case("mask", shape, masked),
            Case("weight", shape, plain with { References = [plain.References[0] with { Weight = 0.5, Start = 0.2, End = 0.8 }] }),
            Case("unguided", shape, plain with { TextScale = 1 }),
            Case("fresh noise", shape with { FreshReferenceNoise = true, Sampler = "euler-a" }, masked),
            Case("sets and maps", shape with { Targets = 2, Sets = 2, AttentionMap = true }, plain),
            Case("tiles", shape with { VaeTiling = true, Width = 256 }, masked),
            Case("image to image", shape with { References = 0, Strength = 0.7 }, alone with { Init = Photo }),
            Case("inpainting", shape with { References = 0, Inpaint = true }, alone with { Init = Photo, InpaintMask = HalfWhite() }),
            Case("smaller", shape with { Width = 64, Height = 64 }, masked),
        ];

        static TestCaseData Case(string name, SessionShape shape, JeDiRequest request) =>
            new TestCaseData(shape, request).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(MemoryCases))]
    public async Task MemoryIsWhatThePlanSays(SessionShape shape, JeDiRequest request)
    {
        using JeDiEngine fresh = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu" });
        await Check(shape with { Width = 192 });
        await Check(shape);

        async Task Check(SessionShape asked)
        {
            long before = fresh.Device.PreparedBytes;
            MemoryPlan plan = fresh.Plan(asked);
            using JeDiSession session = fresh.Prepare(asked);
            await session.GenerateAsync(request);
            Assert.That(session.ArenaBytes, Is.EqualTo(plan.ArenaBytes), "arena");
            Assert.That(session.PeakArenaBytes, Is.LessThanOrEqualTo(plan.ArenaBytes).And.GreaterThan(plan.ArenaBytes / 2), "peak");
            Assert.That(fresh.Device.PreparedBytes - before, Is.EqualTo(plan.PreparedBytes), "filters");
            Assert.That(fresh.Plan(asked).PreparedBytes, Is.Zero, "all filters are prepared by now");
        }
    }

    [Test]
    public async Task DisposingASessionEndsItsRequests()
    {
        JeDiSession session = engine.Prepare(Shape() with { Steps = Many });
        using var begun = new SemaphoreSlim(0);
        Task<JeDiResult> running = session.GenerateAsync(Request(1), new Reporter(_ => begun.Release()));
        await begun.WaitAsync();
        Task<JeDiResult> waiting = session.GenerateAsync(Request(2));
        session.Dispose();
        session.Dispose();
        foreach (Task<JeDiResult> request in new[] { running, waiting })
        {
            Assert.That(async () => await request.WaitAsync(TimeSpan.FromMinutes(1)), Throws.TypeOf<ObjectDisposedException>());
        }

        Assert.That(() => session.Encode(Photo), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public async Task DisposingAnEngineEndsItsSessions()
    {
        JeDiEngine other = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu" });
        JeDiSession session = other.Prepare(Shape() with { Steps = Many });
        using var begun = new SemaphoreSlim(0);
        Task<JeDiResult> running = session.GenerateAsync(Request(1), new Reporter(_ => begun.Release()));
        await begun.WaitAsync();
        other.Dispose();
        other.Dispose();
        Assert.That(async () => await running.WaitAsync(TimeSpan.FromMinutes(1)), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => other.Encode("a"), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => other.Prepare(Shape()), Throws.TypeOf<ObjectDisposedException>());
        session.Dispose();
    }

    [Test]
    public async Task FreshReferenceNoiseGivesAnotherPicture()
    {
        using JeDiSession session = engine.Prepare(Shape() with { FreshReferenceNoise = true });
        Assert.That((await session.GenerateAsync(Request(4))).Images[0].Rgb, Is.Not.EqualTo(await Picture(4)));
    }

    /// <summary>The whole run from the noised image is not the run from noise alone, and both are image to image's limits.</summary>
    [Test]
    public async Task StrengthOneStartsFromTheNoisedImage()
    {
        using JeDiSession session = engine.Prepare(Shape() with { Strength = 1 });
        Assert.That(session.Evaluations, Is.EqualTo(Steps));
        byte[] picture = (await session.GenerateAsync(Request(4) with { Init = Photo })).Images[0].Rgb;
        Assert.That(picture, Is.Not.EqualTo(await Picture(4)));
    }

    [Test]
    public async Task ADroppedReferenceIsNotLookedAt()
    {
        using JeDiSession session = engine.Prepare(Shape() with { AttentionMap = true });
        JeDiRequest request = Request(7);
        Reference reference = request.References[0];
        JeDiResult dropped = await session.GenerateAsync(request with { References = [reference with { Weight = 0 }] });
        Assert.That(dropped.Correspondences.Single().Share, Is.All.Zero);
        JeDiResult half = await session.GenerateAsync(request with { References = [reference with { Mask = HalfWhite() }] });
        Correspondence map = half.Correspondences.Single();
        Assert.That(map.Location.Max(), Is.LessThan(map.Height * map.Width / 2), "the lower half is masked out");
        JeDiResult late = await session.GenerateAsync(request with { References = [reference with { Start = 0.99 }] });
        Assert.That(late.Correspondences.Single().Share, Is.All.Zero);
    }

    /// <summary>Between two progress reports lies one step of the loop that applications run.</summary>
    [Test]
    public async Task AStepOfARequestAllocatesNothing()
    {
        using JeDiSession session = engine.Prepare(Shape() with { Steps = 8 });
        await session.GenerateAsync(Request(1));
        var allocated = new long[8];
        await session.GenerateAsync(Request(1), new Reporter(step => allocated[step.Step - 1] = GC.GetTotalAllocatedBytes(precise: true)));
        Assert.That(allocated.Zip(allocated[1..], (before, after) => after - before).Min(), Is.Zero);
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
    public async Task NumbersThatAreNotFiniteAreAnError()
    {
        using JeDiSession session = engine.Prepare(Shape());
        JeDiRequest wild = Request(1) with { TextScale = 1e38 };
        Assert.That(async () => await session.GenerateAsync(wild), Throws.TypeOf<JeDiException>().With.Message.Contains("not finite"));
        Assert.That((await session.GenerateAsync(Request(7))).Images[0].Rgb, Is.EqualTo(await Picture(7)));
    }

    /// <summary>Black keeps each pixel as it was given, white none of them.</summary>
    [Test]
    public async Task InpaintingKeepsWhatIsBlack()
    {
        using JeDiSession session = engine.Prepare(Shape() with { References = 0, Inpaint = true });
        JeDiRequest request = Request(1) with { References = [], Init = Photo, InpaintMask = HalfWhite() };
        PixelImage picture = (await session.GenerateAsync(request)).Images[0];
        PixelImage given = Photo.Cover(128, 128);
        Assert.That(picture.Crop(0, 64, 128, 64).Rgb, Is.EqualTo(given.Crop(0, 64, 128, 64).Rgb));
        Assert.That(picture.Crop(0, 0, 128, 64).Rgb, Is.Not.EqualTo(given.Crop(0, 0, 128, 64).Rgb));
    }

    [Test]
    public void CorrespondencesOfManyImagesArePlanned()
    {
        SessionShape many = Shape() with { Targets = 300, AttentionMap = true };
        Assert.That(engine.Plan(many).HostBytes, Is.GreaterThan(300L * 301 * 256 * 256 * sizeof(float)));
        Assert.That(() => engine.Prepare(many), Throws.TypeOf<JeDiException>());
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

    [TestCase(100, 0, "100 is not a multiple of 64 from 64 to 8192; the nearest is 128 (Parameter 'Width')")]
    [TestCase(0, 8256, "8256 is not a multiple of 64 from 64 to 8192; the nearest is 8192 (Parameter 'Height')")]
    public void AnImpossibleSizeSaysTheNearest(int width, int height, string message) =>
        Assert.That(() => engine.Prepare(Shape() with { Width = width, Height = height }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.EqualTo(message));

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
