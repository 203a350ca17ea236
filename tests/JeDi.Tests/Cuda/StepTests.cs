using JeDi.Cuda;
using JeDi.Files.Images;
using JeDi.Files.Random;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tests.Cli;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Cuda;

/// <summary>Whole steps, requests and pictures of the trial's model, on the GPU or the simulator.</summary>
[Category("Target")]
public sealed class StepTests : FolderFixture
{
    const int Size = 64;
    const int Steps = 3;
    const int Seed = 7;
    const string Words = "a red apple";
    const string Sampler = "ddim";

    static readonly string model = Repository.Find("tests/trial/tiny-jedi");

    [SetUp]
    public void NeedsADevice()
    {
        if (Targets.OnCpu)
        {
            Assert.Ignore($"{Targets.Variable} is cpu");
        }
    }

    /// <summary>After its warm-up a step is one launch of a graph: no memory of the device, none of the process.</summary>
    [Test]
    public void AStepAllocatesNothing()
    {
        using CudaDevice device = Targets.Cuda(DType.F16);
        using Checkpoint checkpoint = Checkpoint.Open(model);
        using JointPipeline pipeline = Pipeline(device, checkpoint, new JeDi.Sampling.Precision(DType.F16, DType.BF16));
        pipeline.Start(Inputs(pipeline, checkpoint));
        pipeline.Step();
        pipeline.Step();
        pipeline.State.SeekTo(0);
        device.Synchronize();
        long taken = device.Allocations;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Steps; i++)
        {
            pipeline.Step();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - managed, Is.Zero);
        Assert.That(device.Allocations, Is.EqualTo(taken));
        Assert.That(pipeline.Latents(), Has.All.Matches<float>(float.IsFinite));
    }

    /// <summary>
    /// The replayed step has the bits of plain calls, and so does one that begins when everything is warm.
    /// </summary>
    [Test]
    public void ReplaysHaveTheBitsOfPlainCalls()
    {
        using CudaDevice device = Targets.Cuda(DType.BF16);
        using Checkpoint checkpoint = Checkpoint.Open(model);
        using JointPipeline pipeline = Pipeline(device, checkpoint, new JeDi.Sampling.Precision(DType.BF16, DType.BF16));
        JointInputs inputs = Inputs(pipeline, checkpoint);
        float[] plain = Run(pipeline.StepPlainly);
        Close.SameBits(Run(pipeline.Step), plain, "the first request");
        Close.SameBits(Run(pipeline.Step), plain, "the second request");

        float[] Run(Action step)
        {
            pipeline.Start(inputs);
            for (int i = 0; i < Steps; i++)
            {
                step();
            }

            return pipeline.Latents();
        }
    }

    /// <summary>A request ends between two evaluations, and the next one is as if nothing had been.</summary>
    [Test]
    public async Task ARequestEndsBetweenEvaluations()
    {
        using JeDiEngine engine = JeDiEngine.Load(model, new EngineOptions { Device = Targets.Choice == "sim" ? "sim" : "cuda" });
        using JeDiSession session = engine.Prepare(new SessionShape(0, 1, Size, Size, Steps: 12));
        var request = new JeDiRequest { Prompts = [new Prompt(Words)], Seed = Seed };
        using var stop = new CancellationTokenSource();
        int evaluations = 0;
        var progress = new Now(() =>
        {
            if (++evaluations == 2)
            {
                stop.Cancel();
            }
        });
        Assert.That(
            async () => await session.GenerateAsync(request, progress, stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(evaluations, Is.InRange(2, 3));
        byte[] after = (await session.GenerateAsync(request)).Images[0].Rgb;
        using JeDiSession fresh = engine.Prepare(new SessionShape(0, 1, Size, Size, Steps: 12));
        Assert.That(after, Is.EqualTo((await fresh.GenerateAsync(request)).Images[0].Rgb));
    }

    /// <summary>
    /// Pictures of the command line are as near to those in F32 as rounding every weight and result to the type allows, its error doubled
    /// (6 dB): what the CPU makes of the same request when it rounds.
    /// </summary>
    [TestCase("f16")]
    [TestCase("bf16")]
    public void PicturesAreAsNearAsTheTypeAllows(string name)
    {
        DType type = Enum.Parse<DType>(name, ignoreCase: true);
        byte[] exact = Picture(new Cpu.CpuDevice());
        double allowed = Psnr(Picture(new RoundedDevice(new Cpu.CpuDevice(winograd: false), type)), exact) - 20 * Math.Log10(2);
        byte[] drawn = Sample("--device", Targets.Choice == "sim" ? "sim" : "cuda", "--dtype", name);
        byte[] cpu = Sample("--device", "cpu");
        Assert.That(cpu.Zip(exact, (a, b) => Math.Abs(a - b)).Max(), Is.LessThanOrEqualTo(1), "the same request");
        double reached = Psnr(drawn, exact);
        TestContext.Out.WriteLine($"{name}: {reached:F1} dB to the picture in F32, {allowed:F1} dB are wanted");
        Assert.That(reached, Is.GreaterThanOrEqualTo(allowed));
    }

    byte[] Sample(params string[] options)
    {
        string to = Path.Combine(Folder, string.Join('-', options));
        CliRun run = CliRun.Of(
            ["sample", Words, "--model", model, "--width", $"{Size}", "--height", $"{Size}", "--steps", $"{Steps}", "--seed", $"{Seed}",
                "--sampler", Sampler, "--guidance", "joint", "--output", to, .. options]);
        Assert.That(run.Code, Is.Zero, run.Error);
        return ImageReader.Read(Directory.GetFiles(to, "*.png").Single()).Rgb;
    }

    static byte[] Picture(Device device)
    {
        using (device)
        {
            using Checkpoint checkpoint = Checkpoint.Open(model);
            using JointPipeline pipeline = Pipeline(device, checkpoint, null);
            pipeline.Start(Inputs(pipeline, checkpoint));
            for (int i = 0; i < Steps; i++)
            {
                pipeline.Step();
            }

            float[] values = pipeline.DecodeImage(pipeline.Latents());
            return [.. values.Select(value => (byte)Math.Clamp(MathF.Round((value + 1) * 127.5f), 0, 255))];
        }
    }

    static JointPipeline Pipeline(Device device, Checkpoint checkpoint, JeDi.Sampling.Precision? precision)
    {
        int latent = Size / checkpoint.Vae.Scale;
        var shape = new JointShape(1, 0, 1, latent, latent, GuidanceMode.Joint);
        SamplerPlan plan = JeDi.Sampling.Sampler.Plan(Sampler, new NoiseSchedule(checkpoint.Schedule), Steps);
        return new JointPipeline(Networks.Load(device, checkpoint, precision: precision), new Arena(device), shape, plan);
    }

    static JointInputs Inputs(JointPipeline pipeline, Checkpoint checkpoint)
    {
        JointShape shape = pipeline.State.Shape;
        JeDi.Files.Tokenizer.ClipTokenizer tokenizer = checkpoint.OpenTokenizer(null);
        float[] own = pipeline.EncodeTexts(tokenizer.Encode(Words).Ids);
        float[] none = pipeline.EncodeTexts(tokenizer.Encode("").Ids);
        EngineDefaults defaults = EngineDefaults.Of(checkpoint);
        JointNoise noise = JointNoise.Draw(
            shape, pipeline.State.Plan, checkpoint.UNet.OutChannels, Seed, seed => new TorchCpuRandom(seed));
        return new JointInputs
        {
            InitialNoise = noise.Initial,
            StepNoise = noise.Step,
            Texts = [.. shape.Texts(checkpoint.UNet).SelectMany(text => text.Kind == TextKind.Own ? own : none)],
            TextScale = defaults.TextScale,
            ImageScale = defaults.ImageScale,
        };
    }

    static double Psnr(byte[] actual, byte[] expected)
    {
        double square = actual.Zip(expected, (a, b) => (double)(a - b) * (a - b)).Average();
        return 10 * Math.Log10(255.0 * 255.0 / Math.Max(square, 1e-9));
    }

    sealed class Now(Action report) : IProgress<StepProgress>
    {
        public void Report(StepProgress value) => report();
    }
}
