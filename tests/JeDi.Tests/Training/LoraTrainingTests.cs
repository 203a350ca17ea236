using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tests.Cli;
using JeDi.Tests.Models;
using JeDi.Training;

namespace JeDi.Tests.Training;

/// <summary>Low-rank changes: what learns, what is written, and that the file gives what the trainer saw.</summary>
public sealed class LoraTrainingTests : FolderFixture
{
    /// <summary>Two evaluations of one tiny U-Net: each off by what a whole model may be (its stored float32_error is 1.3e-6).</summary>
    internal const double OfTwoModels = 2 * (4 * 1.3e-6 + 2e-6);

    static readonly string[] layers =
        ["attn*.to_", "unet.*ff.net", "unet.*conv1", "proj_", "time_emb", "unet.conv_out", "self_attn",
        "fc1"];

    Device device = null!;

    [OneTimeSetUp]
    public void MakeDevice() => device = Targets.EveryLevel[0].Make();

    [OneTimeTearDown]
    public void RemoveDevice() => device.Dispose();

    /// <summary>
    /// Base and file give, merged at load, the prediction of the network that the file's factors hang on, and another one than the base.
    /// </summary>
    [TestCase(0.0)]
    [TestCase(6.0)]
    public void TheFileGivesWhatTheTrainerSaw(double alpha)
    {
        TrainingOptions options = Options() with { LoraLayers = layers, Alpha = alpha };
        string file = Path.Combine(Train(options, 3), Trainer.LoraFile);
        using Checkpoint merged = Checkpoint.Open(options.From);
        merged.AddLora(file, 1);
        using Checkpoint model = Checkpoint.Open(options.From);
        float[] expected = Predict(model, file, options);
        float[] actual = Predict(merged, null, options);
        float[] without = Predict(model, null, options);
        Close.Within(actual, expected, OfTwoModels, "prediction");
        Assert.That(Comparison.Of(without, [.. expected.Select(value => (double)value)]).Relative, Is.GreaterThan(100 * OfTwoModels));
    }

    /// <summary>The names that other tools read, F16, with filters as filters.</summary>
    [Test]
    public void TheFileHasTheCommonNames()
    {
        TrainingOptions options = Options() with { LoraLayers = layers, Alpha = 6 };
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Train(options, 1), Trainer.LoraFile));
        Assert.That(file.Entries.Select(entry => entry.Type), Is.All.EqualTo(SafetensorsType.F16));
        const string Block = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
        Expect($"{Block}.lora_down.weight", 4, 16);
        Expect($"{Block}.lora_up.weight", 16, 4);
        Expect($"{Block}.alpha");
        Expect("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", 4, 16, 1, 1);
        Expect("lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight", 16, 4, 1, 1);
        Expect("lora_unet_down_blocks_1_resnets_0_conv1.lora_down.weight", 4, 16, 3, 3);
        Expect("lora_unet_down_blocks_1_resnets_0_conv1.lora_up.weight", 32, 4, 1, 1);
        Expect("lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight", 4, 24);
        Assert.That(file.ReadFloats(file.Find($"{Block}.alpha")!), Is.EqualTo(new[] { 6f }));

        void Expect(string name, params long[] shape) => Assert.That(file.Find(name)?.Shape, Is.EqualTo(shape), name);
    }

    /// <summary>Weights that get no change, and all of those that get one, keep their two bytes and have no gradient.</summary>
    [Test]
    public void TheBaseStaysAsItIs()
    {
        TrainingOptions options = Options();
        using Checkpoint model = Checkpoint.Open(options.From);
        using var course = new UNetCourse(device, model, options, TrainingSources.Open(options, (folder, _) =>
            JeDi.Files.Sets.FolderSets.Open(folder)), _ => { });
        course.Run(0, 0, default);
        Assert.That(course.Parameters.Parameters.Select(one => one.Name), Is.All.Contains(".attn").And.All.Contains(".lora_"));
        Parameter[] ups = [.. course.Parameters.Parameters.Where(one => one.Name.EndsWith("up"))];
        Assert.That(ups, Has.Length.EqualTo(8 * TransformerBlocks(model)));
        foreach (Parameter up in ups)
        {
            Assert.That(device.ToArray(up.Gradient).Max(Math.Abs), Is.GreaterThan(0), up.Name);
        }

        static int TransformerBlocks(Checkpoint model) =>
            model.Weights(Component.UNet).Count(weight => weight.Name.EndsWith("attn1.to_q.weight"));
    }

    [Test]
    public void SampleTakesTheFile()
    {
        TrainingOptions options = Options();
        string file = Path.Combine(Train(options, 3), Trainer.LoraFile);
        string[] common =
        [
            "sample", "a red disc", "--model", options.From, "--steps", "2", "--width", "64", "--height", "64", "--device", "cpu",
            "--seed", "3",
        ];
        CliRun plain = CliRun.Of([.. common, "-o", At("plain")]);
        CliRun changed = CliRun.Of([.. common, "-o", At("changed"), "--lora", file]);
        CliRun off = CliRun.Of([.. common, "-o", At("off"), "--lora", $"{file}:0"]);
        Assert.That((plain.Code, changed.Code, off.Code), Is.EqualTo((0, 0, 0)), changed.Error);
        Assert.That(Pixels(changed), Is.Not.EqualTo(Pixels(plain)));
        Assert.That(Pixels(off), Is.EqualTo(Pixels(plain)));

        static byte[] Pixels(CliRun run) => JeDi.Files.Images.ImageReader.Read(run.OutLines[0]).Rgb;
    }

    [Test]
    public void BadWishesAreOneLine()
    {
        string data = SetFolder.Make(At("data"));
        string from = Base();
        Fails(["--rank", "0"], "--rank: 1 to");
        Fails(["--lora-layers", "attn9"], "attn9: matches no weight", "unet.");
        Fails(["--train", "unet"], "lora alone");
        Fails(["--alpha", "-1"], "--alpha");

        void Fails(string[] arguments, params string[] texts) => CliRun.Of(
            ["train", "--data", data, "--from", from, "--train", "lora", "--size", "64", "--out", At("run"), .. arguments])
            .AssertFails(1, texts);
    }

    TrainingOptions Options() => SetFolder.Options(SetFolder.Make(At("data")), At("out")) with
    {
        From = Base(),
        Train = ["lora"],
        Rank = 4,
        Rate = 3e-2,
        WarmUp = 0,
        Ema = 0.5,
    };

    /// <summary>A model in a folder, F32: of the recipe, as one from scratch begins with branches of 0.</summary>
    string Base()
    {
        string folder = At("base");
        if (!Directory.Exists(folder))
        {
            using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 9);
            CheckpointWriter.Write(recipe, folder, new ConvertOptions { TokenizerFolder = LetterTokenizer.Write(At("tokenizer")) });
        }

        return folder;
    }

    string Train(TrainingOptions options, int steps)
    {
        using var trainer = new Trainer(device, options);
        for (int i = 0; i < steps; i++)
        {
            trainer.Advance();
        }

        return trainer.Save();
    }

    /// <summary>Of a set of two images with two texts; with a file, by the network that its factors hang on.</summary>
    float[] Predict(Checkpoint model, string? file, TrainingOptions options)
    {
        var unetWeights = new Weights(device, model.Source(Component.UNet));
        var textWeights = new Weights(device, model.Source(Component.TextEncoder));
        var network = new UNet(unetWeights, model.UNet);
        var text = new ClipText(textWeights, model.Text);
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        LoraLayers? lora = file is null ? null : new LoraLayers(
            device, model, [(Component.UNet, unetWeights), (Component.TextEncoder, textWeights)], options);
        FlatParameters? flat = lora is null ? null : new FlatParameters(device, lora.Parameters);
        Weights.Load(device, [unetWeights, textWeights]);
        lora?.Begin(ops.New([1]), options.Seed);
        if (flat is not null)
        {
            using SafetensorsFile factors = SafetensorsFile.Open(file!);
            foreach (Parameter parameter in flat.Parameters)
            {
                string component = lora!.Of(Component.UNet).Contains(parameter) ? "unet" : "te";
                string name = $"lora_{component}_{parameter.Name.Replace('.', '_').Replace("_lora_", ".lora_")}.weight";
                float[] values = factors.ReadFloats(factors.Find(name)!);
                Shape shape = parameter.Shape;
                device.Write<float>(parameter.Value, shape.Rank == 4
                    ? Layouts.NchwToNhwc(values, shape[0], shape[3], shape[1] * shape[2])
                    : values);
            }
        }

        int[] ids = [.. Enumerable.Range(0, 2 * model.Text.Positions).Select(i => i * 7 % 400)];
        Tensor states = text.Encode(ops, ops.From<int>([2, model.Text.Positions], ids));
        Tensor x = ops.From<float>([2, 16, 16, 9], Recipe.Tensor("lora/x", 2 * 16 * 16 * 9));
        var batch = new JointBatch(ops, [2], [0, 1]);
        Tensor y = network.Run(ops, x, ops.From<float>([2], [321, 321]), network.EncodeText(ops, states), batch);
        float[] result = device.ToArray(y);
        arena.Release();
        flat?.Free();
        unetWeights.Free();
        textWeights.Free();
        return result;
    }
}
