using JeDi.Extensions.Hosting;
using JeDi.Files.Images;
using JeDi.Sampling;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

#pragma warning disable MEAI001 // These tests are of what the interface promises today.

namespace JeDi.Tests.Hosting;

/// <summary>The engine as services of a host.</summary>
public sealed class HostingTests
{
    static readonly string model = Repository.Find("tests/trial/tiny-jedi");

    static readonly SessionShape shape = new(Steps: 3);

    readonly Notes notes = new();

    IHost host = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        host = Build(Good);
        await host.StartAsync();
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        await host.StopAsync();
        host.Dispose();
        notes.Dispose();
    }

    IImageGenerator Generator => host.Services.GetRequiredService<IImageGenerator>();

    static void Good(JeDiOptions options)
    {
        options.Model = model;
        options.Engine = new EngineOptions { Device = "cpu" };
        options.Shape = shape;
    }

    [Test]
    public void WrongOptionsEndTheStart()
    {
        (string Property, Action<JeDiOptions> Change)[] wrong =
        [
            ("Model", options => options.Model = "nowhere"),
            ("Sessions", options => options.Sessions = 0),
            ("Sessions", options => (options.Sessions, options.Engine) = (2, options.Engine with { LowMemory = true })),
            ("Engine", options => options.Engine = null!),
            ("Shape", options => options.Shape = null!),
            ("Engine.Threads", options => options.Engine = options.Engine with { Threads = -1 }),
            ("Shape.Steps", options => options.Shape = options.Shape with { Steps = -1 }),
        ];
        foreach ((string property, Action<JeDiOptions> change) in wrong)
        {
            using IHost other = Build(options =>
            {
                Good(options);
                change(options);
            });
            Assert.That(async () => await other.StartAsync(), Throws.TypeOf<OptionsValidationException>().With.Message.Contains(property));
        }
    }

    [Test]
    public async Task OptionsComeFromConfiguration()
    {
        using IHost configured = Configured([]);
        await configured.StartAsync();
        JeDiOptions options = configured.Services.GetRequiredService<IOptions<JeDiOptions>>().Value;
        Assert.That(
            options.Engine with { Loras = [], Embeddings = [] }, Is.EqualTo(new EngineOptions { Device = "cpu", Threads = 1 }));
        Assert.That(options.Shape, Is.EqualTo(new SessionShape(Steps: 2, Guidance: GuidanceMode.TextFirst)));
        await configured.StopAsync();
        using IHost misspelt = Configured(new() { ["JeDi:Modle"] = "x" });
        Assert.That(async () => await misspelt.StartAsync(), Throws.InvalidOperationException.With.Message.Contains("Modle"));
    }

    /// <summary>The same pictures as a session's, one after the other with the next seed, and what the log is told.</summary>
    [Test]
    public async Task TheGeneratorDrawsWhatASessionDraws()
    {
        var options = new ImageGenerationOptions { Count = 2, AdditionalProperties = new() { ["seed"] = 4, ["text_scale"] = "3.5" } };
        ImageGenerationResponse response = await Generator.GenerateImagesAsync("a red hat", options);
        Assert.That(response.Contents.Select(content => content.AdditionalProperties!["seed"]), Is.EqualTo(new object[] { 4L, 5L }));
        for (int k = 0; k < 2; k++)
        {
            JeDiRequest request = new() { Prompts = ["a red hat"], Seed = 4 + k, TextScale = 3.5 };
            Assert.That(Pixels(response.Contents[k]), Is.EqualTo(await Drawn(shape, request)), $"picture {k}");
        }

        Assert.That(notes.Lines, Has.Some.Contains("Model ").And.Contains("MB of weights"));
        Assert.That(notes.Lines, Has.Some.StartsWith("Session for 0 references and 1 targets"));
        Assert.That(notes.Lines, Has.Some.Matches("^1 pictures in .* seed 5$"));
        Assert.That(notes.Lines, Has.None.Contains("red hat"));
    }

    [Test]
    public async Task OriginalImagesArePhotosOfTheSubject()
    {
        byte[] file = await File.ReadAllBytesAsync(Repository.Find("tests/trial/euler-ref0.png"));
        var photo = new DataContent(file, "image/png") { AdditionalProperties = new() { ["caption"] = "a cap", ["weight"] = 0.5 } };
        var options = new ImageGenerationOptions
        {
            AdditionalProperties = new() { ["seed"] = 1L, ["sampler"] = "euler", ["guidance"] = "image-first", ["steps"] = 2 },
        };
        ImageGenerationResponse response = await Generator.EditImageAsync(photo, "a cap on a shelf", options);
        JeDiRequest request = new()
        {
            Prompts = ["a cap on a shelf"],
            References = [new Reference { Image = ImageReader.Decode("photo", file), Caption = "a cap", Weight = 0.5 }],
            Seed = 1,
        };
        SessionShape own = new(References: 1, Sampler: "euler", Guidance: GuidanceMode.ImageFirst, Steps: 2);
        Assert.That(Pixels(response.Contents[0]), Is.EqualTo(await Drawn(own, request)));
    }

    /// <summary>The closest size that the model has, as the interface says; a request of the library's own is taken as it is.</summary>
    [Test]
    public async Task SizesAndRawRequestsAreTaken()
    {
        JeDiRequest raw = new() { Prompts = ["one", "another"], Negative = "grey", Seed = 9 };
        var options = new ImageGenerationOptions { ImageSize = new(70, 130), RawRepresentationFactory = _ => raw };
        ImageGenerationResponse response = await Generator.GenerateAsync(new ImageGenerationRequest(), options);
        JeDiResult result = ((List<JeDiResult>)response.RawRepresentation!)[0];
        Assert.That(result.Images.Select(image => (image.Width, image.Height)), Is.EqualTo(new[] { (64, 128), (64, 128) }));
        Assert.That(
            Pixels(response.Contents[1]), Is.EqualTo(await Drawn(shape with { Targets = 2, Width = 64, Height = 128 }, raw, picture: 1)));
    }

    [Test]
    public void WhatThereIsNotIsRefusedByName()
    {
        (string Named, ImageGenerationOptions Options)[] wrong =
        [
            ("Count", new() { Count = 0 }),
            ("MediaType", new() { MediaType = "image/gif" }),
            ("ResponseFormat", new() { ResponseFormat = ImageGenerationResponseFormat.Uri }),
            ("ModelId", new() { ModelId = "dall-e-3" }),
            ("ImageSize", new() { ImageSize = new(-1, 64) }),
            ("'quality'", new() { AdditionalProperties = new() { ["quality"] = "hd" } }),
            ("steps", new() { AdditionalProperties = new() { ["steps"] = "many" } }),
            ("RawRepresentationFactory", new() { RawRepresentationFactory = _ => "text" }),
        ];
        foreach ((string named, ImageGenerationOptions options) in wrong)
        {
            Assert.That(
                async () => await Generator.GenerateImagesAsync("a", options),
                Throws.InstanceOf<ArgumentException>().With.Message.Contains(named));
        }

        Assert.That(
            async () => await Generator.EditImagesAsync([new UriContent("http://localhost/a.png", "image/png")], "a"),
            Throws.ArgumentException.With.Message.Contains("UriContent"));
        Assert.That(async () => await Generator.GenerateAsync(new ImageGenerationRequest()), Throws.ArgumentException);
    }

    [Test]
    public void TheGeneratorTellsWhatStandsBehindIt()
    {
        Assert.That(Generator.GetService<ImageGeneratorMetadata>()!.DefaultModelId, Is.EqualTo("tiny-jedi"));
        Assert.That(Generator.GetService<JeDiEngine>(), Is.SameAs(host.Services.GetRequiredService<JeDiEngine>()));
        Assert.That(Generator.GetService(typeof(JeDiEngine), "other"), Is.Null);
    }

    /// <summary>More requests than sessions, of two shapes, on an engine that refuses a second session: each gets its picture.</summary>
    [Test]
    public async Task RequestsShareTheSessions()
    {
        using IHost small = Build(options =>
        {
            Good(options);
            options.Engine = options.Engine with { LowMemory = true };
        });
        await small.StartAsync();
        JeDiSessionPool pool = small.Services.GetRequiredService<JeDiSessionPool>();
        SessionShape[] shapes = [shape, shape with { Width = 64 }, shape, shape with { Width = 64 }];
        JeDiRequest request = new() { Prompts = ["a"], Seed = 2 };
        JeDiResult[] results = await Task.WhenAll(shapes.Select(each => pool.GenerateAsync(request, each)));
        for (int i = 0; i < shapes.Length; i++)
        {
            Assert.That(results[i].Images[0].Rgb, Is.EqualTo(await Drawn(shapes[i], request)), $"request {i}");
        }

        Assert.That(
            async () => await pool.GenerateAsync(request, cancellationToken: new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
        var image = new PixelImage(1, 1, new byte[3]);
        Assert.That(async () => await pool.GenerateAsync(request with { Init = image }), Throws.TypeOf<JeDiException>());
        Assert.That(notes.Lines, Has.Some.EqualTo("A request failed"));
        Assert.That((await pool.GenerateAsync(request)).Images[0].Rgb, Is.EqualTo(results[0].Images[0].Rgb), "after both");
        await small.StopAsync();
    }

    [Test]
    public async Task WordsThatAreCutAreLogged()
    {
        string prompt = string.Join(' ', Enumerable.Repeat("hat", 75)) + " zebra";
        await Generator.GenerateImagesAsync(prompt, new ImageGenerationOptions { AdditionalProperties = new() { ["steps"] = 1 } });
        Assert.That(notes.Lines, Has.Some.Contains("77 tokens").And.EndsWith("zebra"));
    }

    IHost Build(Action<JeDiOptions> configure)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders().AddProvider(notes);
        builder.Services.AddJeDi(configure);
        return builder.Build();
    }

    IHost Configured(Dictionary<string, string?> more)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(more).AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["JeDi:Model"] = model,
            ["JeDi:Engine:Device"] = "cpu",
            ["JeDi:Engine:Threads"] = "1",
            ["JeDi:Shape:Steps"] = "2",
            ["JeDi:Shape:Guidance"] = "TextFirst",
            ["JeDi:WarmUp"] = "true",
        });
        builder.Services.AddJeDi(builder.Configuration.GetSection("JeDi"));
        return builder.Build();
    }

    async Task<byte[]> Drawn(SessionShape own, JeDiRequest request, int picture = 0)
    {
        using JeDiSession session = host.Services.GetRequiredService<JeDiEngine>().Prepare(own);
        return (await session.GenerateAsync(request)).Images[picture].Rgb;
    }

    static byte[] Pixels(AIContent content) => ImageReader.Decode("content", ((DataContent)content).Data.ToArray()).Rgb;

    /// <summary>Keeps what is logged.</summary>
    sealed class Notes : ILoggerProvider, ILogger
    {
        readonly List<string> lines = [];

        public IReadOnlyList<string> Lines
        {
            get
            {
                lock (lines)
                {
                    return [.. lines];
                }
            }
        }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (lines)
            {
                lines.Add(formatter(state, exception));
            }
        }

        public void Dispose()
        {
        }
    }
}
