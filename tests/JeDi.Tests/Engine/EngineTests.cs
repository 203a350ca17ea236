using System.Runtime.InteropServices;
using JeDi.Files.Images;
using JeDi.Files.Safetensors;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tests.Models;

namespace JeDi.Tests.Engine;

/// <summary>The library's surface: arguments, disposal from within, words, autoencoders, layers of the text encoder.</summary>
public sealed class EngineTests
{
    static readonly string Model = Repository.Find("tests/trial/tiny-jedi");

    static readonly SessionShape Shape = new(Steps: 3);

    readonly TestFolder folder = new();

    JeDiEngine engine = null!;

    [OneTimeSetUp]
    public void Load() => engine = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu" });

    [OneTimeTearDown]
    public void Unload()
    {
        engine.Dispose();
        folder.Dispose();
    }

    [Test]
    public void NullAndImpossibleArgumentsAreNamed()
    {
        using JeDiSession session = engine.Prepare(Shape);
        JeDiRequest good = new() { Prompts = ["a"] };
        Reference photo = new() { Image = new JeDi.Files.Images.PixelImage(1, 1, new byte[3]) };
        (string Name, Action Call)[] calls =
        [
            ("path", () => JeDiEngine.Load(null!)),
            ("path", () => _ = JeDiEngine.LoadAsync(null!)),
            ("path", () => JeDiEngine.Load("")),
            ("Threads", () => JeDiEngine.Load(Model, new EngineOptions { Threads = -1 })),
            ("DType", () => JeDiEngine.Load(Model, new EngineOptions { DType = null! })),
            ("Weights", () => JeDiEngine.Load(Model, new EngineOptions { Weights = (DType)9 })),
            ("KeptFilterBytes", () => JeDiEngine.Load(Model, new EngineOptions { KeptFilterBytes = -1 })),
            ("Tokenizer", () => JeDiEngine.Load(Model, new EngineOptions { Tokenizer = "" })),
            ("Embeddings", () => JeDiEngine.Load(Model, new EngineOptions { Embeddings = [new Embedding("")] })),
            ("options", () => Devices.Open(null!)),
            ("Device", () => JeDiEngine.Load(Model, new EngineOptions { Device = null! })),
            ("Loras", () => JeDiEngine.Load(Model, new EngineOptions { Loras = [null!] })),
            ("shape", () => engine.Prepare(null!)),
            ("References", () => engine.Plan(Shape with { References = -1 })),
            ("Targets", () => engine.Prepare(Shape with { Targets = 0 })),
            ("Width", () => engine.Prepare(Shape with { Width = -64 })),
            ("Height", () => engine.Prepare(Shape with { Height = 100 })),
            ("Steps", () => engine.Prepare(Shape with { Steps = -1 })),
            ("Sets", () => engine.Prepare(Shape with { Sets = 0 })),
            ("Strength", () => engine.Prepare(Shape with { Strength = double.NaN })),
            ("ReuseInterval", () => engine.Prepare(Shape with { ReuseInterval = 0 })),
            ("TextChunks", () => engine.Prepare(Shape with { TextChunks = 0 })),
            ("Guidance", () => engine.Prepare(Shape with { Guidance = (GuidanceMode)9 })),
            ("text", () => engine.Encode(null!)),
            ("clipSkip", () => engine.Encode("a", clipSkip: 99)),
            ("chunks", () => engine.Encode("a", chunks: -1)),
            ("syntax", () => engine.TextChunks("a", (PromptSyntax)9)),
            ("request", () => engine.ShapeFor(null!)),
            ("image", () => session.Encode(null!)),
            ("latent", () => session.Decode(new float[5])),
            ("request", () => session.GenerateAsync((JeDiRequest)null!)),
            ("Prompts", () => session.GenerateAsync(good with { Prompts = null! })),
            ("Prompts", () => session.GenerateAsync(good with { Prompts = [null!] })),
            ("Seed", () => session.GenerateAsync(good with { Seed = -2 })),
            ("TextScale", () => session.GenerateAsync(good with { TextScale = double.NaN })),
            ("Rescale", () => session.GenerateAsync(good with { Rescale = 2 })),
            ("GuidanceTo", () => session.GenerateAsync(good with { GuidanceFrom = 0.5, GuidanceTo = 0.5 })),
            ("GuidanceFrom", () => session.GenerateAsync(good with { GuidanceFrom = double.NaN })),
            ("ClipSkip", () => session.GenerateAsync(good with { ClipSkip = 0 })),
            ("PreviewEvery", () => session.GenerateAsync(good with { PreviewEvery = -1 })),
            ("References", () => session.GenerateAsync(good with { References = [null!] })),
            ("References[0].Image", () => session.GenerateAsync(good with { References = [new Reference { Image = null! }] })),
            ("References[0].Weight", () => session.GenerateAsync(good with { References = [photo with { Weight = 2 }] })),
            ("References[0].End", () => session.GenerateAsync(good with { References = [photo with { Start = 0.6, End = 0.4 }] })),
            ("Latent", () => session.GenerateAsync(good with { References = [photo with { Latent = new float[3] }] })),
            ("Syntax", () => session.GenerateAsync(good with { Syntax = (PromptSyntax)9 })),
            ("Encoding", () => session.GenerateAsync(good with { Prompts = [new Prompt("a") { Encoding = new float[7] }] })),
        ];
        foreach ((string name, Action call) in calls)
        {
            ArgumentException error = Assert.Catch<ArgumentException>(() => call(), name)!;
            Assert.That(error.ParamName, Is.EqualTo(name));
        }
    }

    /// <summary>A program may dispose what calls it; the request ends, and nothing waits for itself.</summary>
    [Test]
    [CancelAfter(60_000)]
    public void SessionAndEngineMayBeDisposedWithinACall([Values] bool preview, [Values] bool whole)
    {
        JeDiEngine own = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu" });
        JeDiSession session = own.Prepare(Shape);
        void Dispose()
        {
            if (whole)
            {
                own.Dispose();
            }
            else
            {
                session.Dispose();
            }
        }

        JeDiRequest request = new() { Prompts = ["a"], PreviewEvery = 1, Preview = (_, _) => Dispose() };
        Task<JeDiResult> run = preview
            ? session.GenerateAsync(request)
            : session.GenerateAsync(request with { Preview = null }, new Now(Dispose));
        Assert.That(async () => await run, Throws.InstanceOf<ObjectDisposedException>());
        session.Dispose();
        own.Dispose();
        Assert.That(() => own.Prepare(Shape), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task ResultsComeOneByOneAndDrawnSeedsAreTold()
    {
        using JeDiSession session = engine.Prepare(Shape);
        var seeds = new List<long>();
        JeDiRequest request = new() { Prompts = ["a"], Seed = 3 };
        await foreach (JeDiResult result in session.GenerateAsync([request, request with { Seed = -1 }]))
        {
            seeds.Add(result.Seeds[0]);
        }

        Assert.That(seeds[0], Is.EqualTo(3));
        Assert.That(seeds[1], Is.Not.Negative);
    }

    [Test]
    public void LoadingIsStopped() => Assert.That(
        async () => await JeDiEngine.LoadAsync(Model, null, new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());

    /// <summary>1 is the last layer, as without the wish; the layers before differ.</summary>
    [Test]
    public async Task ClipSkipFollowsAnEarlierLayer()
    {
        using JeDiSession session = engine.Prepare(Shape);
        JeDiRequest request = new() { Prompts = ["a mosquito"], Seed = 1 };
        byte[] plain = (await session.GenerateAsync(request)).Images[0].Rgb;
        byte[] second = (await session.GenerateAsync(request with { ClipSkip = 2 })).Images[0].Rgb;
        Assert.That((await session.GenerateAsync(request with { ClipSkip = 1 })).Images[0].Rgb, Is.EqualTo(plain));
        Assert.That(second, Is.Not.EqualTo(plain));
        JeDiRequest kept = request with { Prompts = [engine.Encode("a mosquito", clipSkip: 2)], Negative = engine.Encode("", clipSkip: 2) };
        Assert.That((await session.GenerateAsync(kept)).Images[0].Rgb, Is.EqualTo(second));
    }

    /// <summary>To skip a layer is to have a text encoder of one layer less: its last state, then the final norm.</summary>
    [Test]
    public void ClipSkipIsATextEncoderOfFewerLayers([Values(1, 2, 3)] int skip)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Model);
        ClipTextConfig config = checkpoint.Text with { Layers = checkpoint.Text.Layers + 1 - skip };
        using var device = new JeDi.Cpu.CpuDevice();
        ClipText shorter = Weights.Load(device, checkpoint.Source(Component.TextEncoder), w => new ClipText(w, config));
        var arena = new Arena(device);
        int[] ids = checkpoint.OpenTokenizer(null).Encode("a mosquito").Ids;
        float[] expected = JointPipeline.EncodeTexts(new Ops(device, arena), shorter, ids);
        Assert.That(engine.Encode("a mosquito", clipSkip: skip).Encoding, Is.EqualTo(expected));
        arena.Release();
    }

    /// <summary>The model's own autoencoder under another path makes the same pictures; a file in the old naming, too.</summary>
    [Test]
    public async Task AnotherAutoencoderIsTaken()
    {
        byte[] plain = await Picture(engine);
        using JeDiEngine same = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu", Vae = Path.Combine(Model, "vae") });
        Assert.That(await Picture(same), Is.EqualTo(plain));
        string grey = folder.At("grey");
        Directory.CreateDirectory(grey);
        File.Copy(Path.Combine(Model, "vae", "config.json"), Path.Combine(grey, "config.json"));
        string weights = Path.Combine(grey, "diffusion_pytorch_model.safetensors");
        File.Copy(Path.Combine(Model, "vae", "diffusion_pytorch_model.safetensors"), weights);
        CheckpointTests.Rewrite(weights, item => item.Name == "decoder.conv_out.weight" ? item with { Name = "other" } : item);
        Assert.That(
            () => JeDiEngine.Load(Model, new EngineOptions { Device = "cpu", Vae = grey }),
            Throws.TypeOf<WeightException>().With.Message.Contains("decoder.conv_out.weight"));
        Assert.That(
            () => JeDiEngine.Load(Model, new EngineOptions { Vae = folder.At("none") }),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("no such autoencoder"));
    }

    /// <summary>A word whose vectors are those of another word draws what that one draws, in both layouts.</summary>
    [TestCase("emb_params", "toy", "toy")]
    [TestCase("<my-toy>", null, "<my-toy>")]
    public async Task LearnedWordsStandForTheirVectors(string tensor, string? word, string used)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Model);
        int width = checkpoint.Text.Width;
        const string Table = "text_model.embeddings.token_embedding.weight";
        float[] table = CheckpointTests.Floats(checkpoint, Component.TextEncoder, Table, [checkpoint.Text.Vocabulary, width]);
        int[] ids = JeDi.Files.Tokenizer.ClipTokenizer.Open(Path.Combine(Model, "tokenizer")).Tokens("mosquito").First().Ids.ToArray();
        float[] vectors = [.. ids.SelectMany(id => table.AsSpan(id * width, width).ToArray())];
        string path = folder.At($"{Guid.NewGuid():N}.safetensors");
        SafetensorsWriter.Write(path, [new(tensor, SafetensorsType.F32, [ids.Length, width])], null, (_, to) =>
            to.Write(MemoryMarshal.AsBytes<float>(vectors)));
        using JeDiEngine taught = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu", Embeddings = [new Embedding(path, word)] });
        Assert.That(await Picture(taught, $"a {used} on a plain blue background"), Is.EqualTo(await Picture(engine)));
        Assert.That(await Picture(taught), Is.EqualTo(await Picture(engine)), "other words are as they were");
        SafetensorsWriter.Write(path, [new(tensor, SafetensorsType.F32, [1, 5])], null, (_, to) => to.Write(new byte[20]));
        Assert.That(
            () => JeDiEngine.Load(Model, new EngineOptions { Embeddings = [new Embedding(path, word)] }),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("width 5"));
    }

    /// <summary>Longer prompts need a session of so many chunks, and use them.</summary>
    [Test]
    public async Task ChunksArePartOfTheSession()
    {
        string text = "a mosquito " + string.Join(' ', Enumerable.Repeat("on a plain blue background", 20));
        int chunks = engine.TextChunks(text, PromptSyntax.Weights);
        Assert.That(chunks, Is.EqualTo(2));
        JeDiRequest request = new() { Prompts = [text], Syntax = PromptSyntax.Weights };
        using JeDiSession narrow = engine.Prepare(Shape);
        Assert.That(async () => await narrow.GenerateAsync(request), Throws.TypeOf<JeDiException>().With.Message.Contains("TextChunks"));
        using JeDiSession wide = engine.Prepare(Shape with { TextChunks = chunks });
        byte[] drawn = (await wide.GenerateAsync(request)).Images[0].Rgb;
        JeDiRequest kept = request with
        {
            Prompts = [engine.Encode(text, syntax: PromptSyntax.Weights)],
            Negative = engine.Encode("", syntax: PromptSyntax.Weights, chunks: chunks),
        };
        Assert.That((await wide.GenerateAsync(kept)).Images[0].Rgb, Is.EqualTo(drawn));
        Assert.That(wide.PeakArenaBytes, Is.LessThanOrEqualTo(wide.ArenaBytes));
    }

    /// <summary>A stop ends an operation at its next block, and the pool works on.</summary>
    [Test]
    public void AStopEndsAJobBetweenBlocks([Values(1, 3)] int count)
    {
        var threads = new JeDi.Cpu.Threads(count);
        var flag = new StopFlag();
        var runs = new int[1000];
        using (flag.Enter())
        {
            Assert.That(() => threads.Run(runs.Length, new StopAtTen(runs, flag)), Throws.InstanceOf<OperationCanceledException>());
        }

        Assert.That(runs.Sum(), Is.InRange(10, 10 + count));
        threads.Run(runs.Length, new StopAtTen(runs, null));
        Assert.That(runs.Sum(), Is.GreaterThanOrEqualTo(1010));
        threads.Close();
    }

    static async Task<byte[]> Picture(JeDiEngine engine, string prompt = "a mosquito on a plain blue background")
    {
        using JeDiSession session = engine.Prepare(Shape);
        return (await session.GenerateAsync(new JeDiRequest { Prompts = [prompt], Seed = 2 })).Images[0].Rgb;
    }

    sealed class Now(Action call) : IProgress<StepProgress>
    {
        public void Report(StepProgress value) => call();
    }

    readonly struct StopAtTen(int[] runs, StopFlag? flag) : JeDi.Cpu.IJob
    {
        public void Run(int index, JeDi.Cpu.Worker worker)
        {
            if (Interlocked.Increment(ref runs[index]) > 0 && runs.Sum() >= 10)
            {
                flag?.Set();
            }
        }
    }
}
