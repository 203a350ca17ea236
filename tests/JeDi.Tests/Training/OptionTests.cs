using JeDi.Files.Images;
using JeDi.Files.Sets;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tests.Cli;
using JeDi.Tests.Models;
using JeDi.Tests.Precision;
using JeDi.Training;

namespace JeDi.Tests.Training;

/// <summary>What single options do: sources, loss weights, wider inputs, memory, names.</summary>
public sealed class OptionTests : FolderFixture
{
    Device device = null!;

    [OneTimeSetUp]
    public void MakeDevice() => device = Targets.EveryLevel[0].Make();

    [OneTimeTearDown]
    public void RemoveDevice() => device.Dispose();

    /// <summary>Half of each batch is the class's, and its loss is a mean of its own, with its weight.</summary>
    [Test]
    public void APriorTakesHalfOfABatch()
    {
        TrainingOptions options = Drawn() with { Images = 7, Prior = "prior", PriorWeight = 0.25, Accumulate = 3 };
        var draw = new BatchDraw(options, [new Named("own", 3)], new Named("prior", 3), Cache(), 1000);
        for (int step = 0; step < 20; step++)
        {
            SetBatch batch = draw.Draw(step, step % 3);
            Assert.That(batch.Files.Select(file => file.Split(' ')[0]), Is.EqualTo(
                Enumerable.Repeat("own", 4).Concat(Enumerable.Repeat("prior", 3))));
            double[] expected = [.. Enumerable.Repeat(1.0 / (4 * 3), 4), .. Enumerable.Repeat(0.25 / (3 * 3), 3)];
            Assert.That(batch.Shares, Is.EqualTo(expected).Within(1e-15));
        }
    }

    /// <summary>3 : 1 : 0 within four standard deviations.</summary>
    [Test]
    public void SourcesAreDrawnInProportion()
    {
        TrainingOptions options = Drawn() with { Data = ["a", "b", "c"], Weights = [3, 1, 0], SetSizes = [1] };
        var draw = new BatchDraw(options, [new Named("a", 3), new Named("b", 3), new Named("c", 3)], null, Cache(), 1000);
        string[] drawn = [.. Enumerable.Range(0, 300).SelectMany(step => draw.Draw(step, 0).Files).Select(file => file[..1])];
        double deviation = Math.Sqrt(0.75 * 0.25 / drawn.Length);
        Assert.That(drawn.Count(name => name == "a") / (double)drawn.Length, Is.EqualTo(0.75).Within(4 * deviation));
        Assert.That(drawn, Has.None.EqualTo("c"));
    }

    /// <summary>
    /// The error of a picture counts the same whatever the network predicts: squared errors of epsilon, x0 and v stand as
    /// 1 : 1 / SNR : 1 + 1 / SNR. For epsilon the weights are min(SNR, bound) / SNR and min(1 + 1 / SNR, bound).
    /// </summary>
    [Test]
    public void LossWeightsFollowTheirFormulas()
    {
        foreach (int timestep in new[] { 0, 250, 500, 900, 999 })
        {
            NoiseLevel level = NoiseSchedule.StableDiffusion.LevelAt(timestep);
            double snr = level.Alpha * level.Alpha / (level.Sigma * level.Sigma);
            Expect("min-snr", Math.Min(snr, 5) / snr);
            Expect("v", Math.Min(1 + 1 / snr, 5));
            TrainingOptions none = Drawn();
            Assert.That(UNetInputs.LossWeight(none, PredictionType.V, level), Is.EqualTo(1));

            void Expect(string name, double epsilon)
            {
                TrainingOptions options = Drawn() with { LossWeight = name, Bound = 5 };
                double tolerance = 1e-12 * epsilon;
                Assert.That(UNetInputs.LossWeight(options, PredictionType.Epsilon, level), Is.EqualTo(epsilon).Within(tolerance));
                Assert.That(
                    UNetInputs.LossWeight(options, PredictionType.Sample, level) / snr, Is.EqualTo(epsilon).Within(tolerance), "x0");
                Assert.That(
                    UNetInputs.LossWeight(options, PredictionType.V, level) * (1 + 1 / snr), Is.EqualTo(epsilon).Within(tolerance), "v");
            }
        }
    }

    /// <summary>The last noise level of a model made so is noise alone (alpha 0, exactly), and every weight is a number.</summary>
    [Test]
    public void TheLastNoiseLevelMayBeNoiseAlone()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out")) with
        {
            Prediction = "v_prediction",
            ZeroSnr = true,
            NoiseSkew = 1,
        };
        using (var trainer = new Trainer(device, options))
        {
            Assert.That(trainer.Advance().Loss, Is.Positive.And.LessThan(double.MaxValue));
        }

        using Checkpoint made = Checkpoint.Open(At("out/base"));
        NoiseSchedule schedule = new NoiseSchedule(made.Schedule).Learned;
        NoiseLevel last = schedule.LevelAt(schedule.TrainSteps - 1);
        Assert.That((last.Alpha, last.Sigma), Is.EqualTo((0.0, 1.0)));
        Assert.That(Sampler.Plan("ddim", schedule, 4).Rows[0].Timestep, Is.EqualTo(schedule.TrainSteps - 1), "sampling begins there");
        foreach (string weight in new[] { "none", "min-snr", "v" })
        {
            double of = UNetInputs.LossWeight(options with { LossWeight = weight }, PredictionType.V, last);
            Assert.That(of, Is.EqualTo(weight == "none" ? 1 : 0), weight);
        }

        Assert.That(() => (options with { Prediction = "epsilon" }).Check(), Throws.TypeOf<TrainingException>()
            .With.Message.Contains("v_prediction or sample with zero-snr"));
    }

    /// <summary>Stable Diffusion's four channels become nine: the new ones begin at 0, learn, and stand in the checkpoint.</summary>
    [Test]
    public void FourChannelsBecomeNine()
    {
        using (Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4))
        {
            CheckpointWriter.Write(recipe, At("four"), new ConvertOptions { TokenizerFolder = LetterTokenizer.Write(At("tokenizer")) });
        }

        var lines = new List<string>();
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out")) with
        {
            From = At("four"),
            Train = ["unet"],
            ReferenceProbability = 1,
            FullDropout = 0,
        };
        using (var trainer = new Trainer(device, options, report: lines.Add))
        {
            for (int i = 0; i < 4; i++)
            {
                trainer.Advance();
            }

            trainer.Save();
        }

        Assert.That(lines, Has.One.Contains("4 input channels become 9"));
        using Checkpoint before = Checkpoint.Open(At("out/base"));
        using Checkpoint after = Checkpoint.Open(At("out/step-00000004/model"));
        Assert.That((after.UNet.InChannels, after.UNet.InputLayout), Is.EqualTo((9, InputLayout.MaskNoisyClean)));
        float[] filterBefore = CheckpointTests.Floats(before, Component.UNet, "conv_in.weight", [16, 9, 3, 3]);
        float[] filterAfter = CheckpointTests.Floats(after, Component.UNet, "conv_in.weight", [16, 9, 3, 3]);

        // Channel 0 is the mask, 1 to 4 the noisy latent, 5 to 8 the clean one; here all images are references, so the mask is 0.
        for (int channel = 5; channel < 9; channel++)
        {
            IEnumerable<int> places = Enumerable.Range(0, filterAfter.Length).Where(i => i / 9 % 9 == channel);
            Assert.That(places.Max(i => Math.Abs(filterBefore[i])), Is.Zero);
            Assert.That(places.Max(i => Math.Abs(filterAfter[i])), Is.GreaterThan(0), $"channel {channel}");
        }
    }

    /// <summary>Found before the first step: what is needed, what there is, and which option helps.</summary>
    [Test]
    public void TooLittleMemoryIsRefused()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out"));
        var cramped = new Cramped(device, 100L << 20);
        TrainingException error = Assert.Throws<TrainingException>(() => new Trainer(cramped, options).Dispose())!;
        Assert.That(error.Message, Does.Match("^this training needs [0-9]+ MB .*, 100 MB are available; try --").And.Not.Contains("\n"));
        Assert.That(Directory.Exists(At("out/step-00000001")), Is.False);
    }

    /// <summary>
    /// The most memory that a run of the small preset has, read from the system, is at most what was planned and a twentieth, and the plan
    /// is at most half as much again.
    /// </summary>
    [Test]
    public void ThePlanIsNearTheRealPeak()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("the peak of a process is read from /proc");
        }

        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out")) with
        {
            Preset = "small",
            Images = 32,
            SetSizes = [1, 2, 3],
            Steps = 2,
        };
        File.WriteAllText(At("settings.json"), options.ToJson().ToJsonString());
        using var run = new CommandProcess(["train", "--settings", At("settings.json"), "--threads", "2"]);
        long peak = 0;
        run.Await(() =>
        {
            peak = Math.Max(peak, run.PeakBytes);
            return false;
        });
        Assert.That(run.Wait(), Is.Zero, string.Join('\n', run.Lines));
        string words = run.Lines.Single(line => line.EndsWith(" MB planned"));
        double planned = double.Parse(words.Split(' ')[^3]) * (1 << 20);
        TestContext.Out.WriteLine($"planned {planned / 1e6:0} MB, measured {peak / 1e6:0} MB");
        Assert.That(peak, Is.LessThanOrEqualTo(1.05 * planned));
        Assert.That(planned, Is.LessThanOrEqualTo(1.5 * peak));
    }

    [Test]
    public void AnUnknownNameIsToldTheNearest()
    {
        string data = SetFolder.Make(At("data"));
        CliRun.Of("train", "--data", data, "--ranck", "4").AssertFails(2, "unknown option --ranck", "did you mean --rank?");
        TrainingException error = Assert.Throws<TrainingException>(
            () => new TrainingOptions().With(new() { ["lora-layer"] = "x" }, "settings.json"))!;
        Assert.That(error.Message, Does.Contain("settings.json: unknown setting 'lora-layer'; did you mean lora-layers?"));
    }

    static TrainingOptions Drawn() => new()
    {
        Data = ["sets"],
        Images = 12,
        SetSizes = [1, 2, 3],
        FullDropout = 0,
        TextDropout = 0,
    };

    static SetCache Cache() => new(
        (source, index) => new EncodedSet(source.NameOf(index), 3, new float[12], ["", "", ""]), 1 << 20, _ => { });

    sealed class Named(string name, int count) : ISetSource
    {
        public string Name => name;

        public int Count => count;

        public string NameOf(int index) => $"{name} {index}";

        public IReadOnlyList<string> Captions(int index) => ["", "", ""];

        public ImageSet Load(int index, int size) => new([.. Enumerable.Repeat(new PixelImage(1, 1, new byte[3]), 3)], Captions(index));
    }

    /// <summary>The same device with less memory.</summary>
    sealed class Cramped(Device inner, long bytes) : WrappedDevice(inner)
    {
        public override Kernels Kernels => Inner.Kernels;

        public override Gradients Gradients => Inner.Gradients;

        public override long AvailableBytes => bytes;
    }
}
