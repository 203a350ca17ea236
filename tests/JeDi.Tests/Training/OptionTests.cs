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

    /// <summary>
    /// A run with class images: the first loss is linear in their weight, so it has a part of theirs, which it would also have as the whole
    /// of another run, and its own; and what is learned follows it.
    /// </summary>
    [TestCase("unet")]
    [TestCase("lora")]
    public void ThePriorsLossCountsByItsWeight(string train)
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out")) with
        {
            Train = [train],
            Prior = SetFolder.Make(At("class"), 2),
            Images = 4,
            LoraLayers = ["unet.conv_in", "unet.conv_out"],
        };
        double[][] losses = [.. new[] { 0.0, 1, 4 }.Select(weight =>
        {
            using var trainer = new Trainer(device, options with { Out = At($"out-{weight}"), PriorWeight = weight });
            return new[] { trainer.Advance().Loss, trainer.Advance().Loss };
        })];
        double ofPrior = losses[1][0] - losses[0][0];
        Assert.That(ofPrior, Is.GreaterThan(0.1), "a network that knows nothing is off by the noise's variance of about 1");
        Assert.That(losses[0][0], Is.GreaterThan(0.1), "its own pictures' part");

        // Four numbers of single precision are added up.
        Assert.That(losses[2][0] - losses[0][0], Is.EqualTo(4 * ofPrior).Within(8 * Math.Pow(2, -23) * losses[2][0]));
        double second = losses[1][1] - losses[0][1];
        Assert.That(losses[2][1] - losses[0][1], Is.Not.EqualTo(4 * second).Within(1e-9), "the gradient has it, too");
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

        // With the text encoder learning alone, the four stay: the same sets, noise and timesteps, the same first loss.
        (double four, double nine) = (FirstLoss("text"), FirstLoss("unet"));
        Assert.That(nine, Is.EqualTo(four).Within(four * LoraTrainingTests.OfTwoModels));
        using Checkpoint before = Checkpoint.Open(At("out/base"));
        using Checkpoint after = Checkpoint.Open(At("out/step-00000004/model"));
        Assert.That((before.UNet.InChannels, before.UNet.InputLayout), Is.EqualTo((9, InputLayout.MaskNoisyClean)));
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

        double FirstLoss(string train)
        {
            using var trainer = new Trainer(device, options with { Train = [train], Out = At($"first-{train}") });
            return trainer.Advance().Loss;
        }
    }

    /// <summary>
    /// Stable Diffusion 1.4 with nine input channels: 859,535,364 weights learn (its 859,520,964 and 320 filters of 5 channels and 9 taps),
    /// each with gradient, two moments and average in single precision. That is refused in 16 GB before anything is written; a LoRA fits.
    /// </summary>
    [Test]
    public void StableDiffusionWholeIsRefusedInSixteenGigabytes()
    {
        const long Weights = 859_520_964 + 320 * 5 * 9;
        const long There = 16L << 30;
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out")) with
        {
            From = "sd14",
            Train = ["unet"],
            Size = 512,
            Images = 2,
            SetSizes = [2],
            Checkpointing = true,
            Tokenizer = Path.Combine(Repository.Root, "weights/clip-tokenizer"),
        };
        using Checkpoint model = Checkpoint.FromRecipe("sd14", 4, DType.F16);
        TrainingSources sources = TrainingSources.Open(options, (folder, _) => FolderSets.Open(folder));
        TrainingMemory whole = TrainingMemory.Of(device, model.Widened(9), options, sources);
        Assert.That(whole.LearningBytes, Is.InRange(5 * sizeof(float) * Weights, 5 * sizeof(float) * (Weights + 686 * 63)));
        Assert.That(whole.Needed, Is.GreaterThan(There));
        Assert.That(whole.Refusal(There), Does.Match("^this training needs [0-9]+ MB \\([0-9]+ for what learns .*, 16384 MB are available; "
            + "try --train lora, or --train attention$"));
        TrainingMemory lora = TrainingMemory.Of(device, model, options with { Train = ["lora"] }, sources);
        Assert.That(lora.Needed, Is.LessThan(There));
    }

    /// <summary>What a run made that ended before its first checkpoint is made anew; what it did not make is not touched.</summary>
    [Test]
    public void AModelThatWasOnlyBegunIsMadeAnew()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out"));
        float[] first = Base(options);
        Assert.That(Base(options with { Seed = 6 }), Is.Not.EqualTo(first));
        Assert.That(Base(options), Is.EqualTo(first));
        File.Delete(At("out/base.json"));
        TrainingException error = Assert.Throws<TrainingException>(() => Base(options))!;
        Assert.That(error.Message, Does.Contain(At("out/base")).And.Contain("--out"));

        float[] Base(TrainingOptions wanted)
        {
            new Trainer(device, wanted).Dispose();
            using Checkpoint model = Checkpoint.Open(At("out/base"));
            return CheckpointTests.Floats(model, Component.UNet, "conv_in.weight", [16, 9, 3, 3]);
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
        Assert.That(Directory.Exists(At("out")), Is.False, "nothing is left");
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

    /// <summary>1 to 4 images, but no more than are computed at once; what is chosen stays.</summary>
    [Test]
    public void SetsHaveAtMostTheImagesOfABatch()
    {
        Assert.That(new TrainingOptions().SetSizes, Is.EqualTo(new[] { 1, 2, 3, 4 }));
        TrainingOptions two = new TrainingOptions().With(new() { ["images"] = 2 }, "the command line");
        Assert.That(two.SetSizes, Is.EqualTo(new[] { 1, 2 }));
        TrainingOptions again = new TrainingOptions().With(two.ToJson(), "a checkpoint");
        Assert.That((again with { Images = 4 }).SetSizes, Is.EqualTo(new[] { 1, 2 }), "as the run was begun");
        TrainingOptions chosen = new TrainingOptions { Data = ["x"], SetSizes = [3] }.With(new() { ["images"] = 2 }, "the command line");
        Assert.That(chosen.Check, Throws.TypeOf<TrainingException>().With.Message.EqualTo(
            "--set-sizes: each from 1 to 2 (--images) is wanted"));
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
