using JeDi.Files.Images;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Cli;
using JeDi.Training;

namespace JeDi.Tests.Training;

/// <summary>Runs of a few steps: what they learn, keep and refuse.</summary>
public sealed class TrainerTests : FolderFixture
{
    Device device = null!;

    [OneTimeSetUp]
    public void MakeDevice() => device = Targets.EveryLevel[0].Make();

    [OneTimeTearDown]
    public void RemoveDevice() => device.Dispose();

    [TestCase("unet,text", false, 1)]
    [TestCase("attention", true, 2)]
    [TestCase("vae", false, 1)]
    [TestCase("text", false, 1)]
    [TestCase("lora", true, 2)]
    public void ARunThatIsResumedGivesTheBitsOfOneThatWentOn(string train, bool checkpointing, int accumulate)
    {
        string data = SetFolder.Make(At("data"));
        TrainingOptions options = SetFolder.Options(data, At("whole")) with
        {
            Train = train.Split(','),
            Checkpointing = checkpointing,
            Accumulate = accumulate,
        };
        double[] whole = Run(options, 5, resume: false);
        TrainingOptions parts = options with { Out = At("parts") };
        double[] first = Run(parts, 2, resume: false);
        double[] second = Run(parts, 3, resume: true);
        Assert.That(first.Concat(second), Is.EqualTo(whole), "losses");
        byte[][] states = [.. new[] { "whole", "parts" }.Select(run => File.ReadAllBytes(At($"{run}/step-00000005/state.safetensors")))];
        Assert.That(states[1], Is.EqualTo(states[0]), "values, moments, averages");
    }

    double[] Run(TrainingOptions options, int steps, bool resume)
    {
        using var trainer = new Trainer(device, options, resume);
        double[] losses = [.. Enumerable.Range(0, steps).Select(_ => trainer.Advance().Loss)];
        trainer.Save();
        return losses;
    }

    [Test]
    public void TheLossFalls()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out")) with { Train = ["vae"], Rate = 3e-3 };
        double[] losses = Run(options, 30, resume: false);
        Assert.That(losses[^5..].Average(), Is.LessThan(0.8 * losses[..3].Average()));
    }

    [Test]
    public void ACheckpointHasAModelThatCanBeSampled()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out"));
        using (var trainer = new Trainer(device, options))
        {
            trainer.Advance();
            trainer.Save();
        }

        CliRun run = CliRun.Of(
            "sample", "a red disc", "--model", At("out/step-00000001/model"), "--steps", "2", "--width", "64", "--height", "64",
            "-o", At("pictures"), "--device", "cpu");
        Assert.That(run.Code, Is.Zero, run.Error);
        Assert.That(ImageReader.Read(run.OutLines[0]).Width, Is.EqualTo(64));
    }

    [Test]
    public void WhatCannotBeReadIsNamedAndLeftOut()
    {
        string data = SetFolder.Make(At("data"), 3);
        File.WriteAllText(Path.Combine(data, "01.png"), "no picture");
        File.WriteAllText(Path.Combine(data, "02.txt"), "one caption");
        var lines = new List<string>();
        using var trainer = new Trainer(device, SetFolder.Options(data, At("out")), report: lines.Add);
        for (int i = 0; i < 4; i++)
        {
            trainer.Advance();
        }

        Assert.That(trainer.Skipped, Is.EqualTo(2));
        Assert.That(lines, Has.One.Contains("01.png").And.One.Contains("has 3 images and 1 captions"));
    }

    [Test]
    public void ADamagedCheckpointIsPassedOver()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out"));
        using (var trainer = new Trainer(device, options))
        {
            for (int i = 0; i < 3; i++)
            {
                trainer.Advance();
                trainer.Save();
            }
        }

        string state = At("out/step-00000003/state.safetensors");
        byte[] bytes = File.ReadAllBytes(state);
        bytes[^100] ^= 1;
        File.WriteAllBytes(state, bytes);
        File.Delete(At("out/step-00000002/training.json"));
        var lines = new List<string>();
        using var resumed = new Trainer(device, options, resume: true, lines.Add);
        Assert.That(resumed.Step, Is.EqualTo(1));
        Assert.That(lines, Has.Exactly(2).Contains("damaged"));
    }

    [Test]
    public void OnlySoManyCheckpointsStay()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out")) with { Keep = 2 };
        using var trainer = new Trainer(device, options);
        for (int i = 0; i < 4; i++)
        {
            trainer.Advance();
            trainer.Save();
        }

        IEnumerable<string> names = Directory.EnumerateDirectories(At("out"), "step-*").Select(path => Path.GetFileName(path)!);
        Assert.That(names, Is.EquivalentTo(new[] { "step-00000003", "step-00000004" }));
    }

    [Test]
    public void ALossThatIsNotFiniteStopsBeforeItDoesHarm()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("out")) with { Rate = 1e30, WarmUp = 0 };
        using var trainer = new Trainer(device, options);
        TrainingException error = Assert.Throws<TrainingException>(() =>
        {
            trainer.Advance();
            trainer.Advance();
            trainer.Advance();
        })!;
        Assert.That(error.Message, Does.Contain("not finite").And.Contains("--rate").And.Contains(".png"));
    }

    /// <summary>
    /// What is exported is a run in small: values and averages rounded to F16, from which it goes on, twice to the same bits, and a model.
    /// The moments are made before the first step: it moves by about what the run that went on moves by.
    /// </summary>
    [Test]
    public void AnExportedRunGoesOnWithWarmMoments()
    {
        TrainingOptions options = SetFolder.Options(SetFolder.Make(At("data")), At("run")) with { Steps = 100, WarmUp = 0 };
        Run(options, 25, resume: false);
        CliRun export = CliRun.Of("train", "--out", At("run"), "--export", At("small"));
        Assert.That(export.Code, Is.Zero, export.Error);
        Dictionary<string, float[]> large = Numbers("run", 25);
        Dictionary<string, float[]> small = Numbers("small", 25);
        Assert.That(small.Keys, Is.EquivalentTo(new[] { "average", "values" }));
        foreach ((string name, float[] values) in small)
        {
            Assert.That(values, Is.EqualTo(large[name].Select(value => (float)(Half)value)), name);
        }

        using (Checkpoint.Open(At("small/base")))
        {
            CliRun.Of("train", "--out", At("run"), "--export", At("small")).AssertFails(1, "exists already");
        }

        CopyFolder(At("small"), At("again"));
        double[] first = Run(options with { Out = At("small") }, 1, resume: true);
        double[] second = Run(options with { Out = At("again") }, 1, resume: true);
        Run(options, 1, resume: true);
        Assert.That(second, Is.EqualTo(first));
        float[] moved = Moved(Numbers("small", 26)["values"], small["values"]);
        float[] expected = Moved(Numbers("run", 26)["values"], large["values"]);
        Assert.That(Numbers("again", 26)["first"], Is.EqualTo(Numbers("small", 26)["first"]));

        // Without moments every weight would move by the whole rate, whatever its gradients were before: root mean square 1.
        Assert.That(RootMeanSquare(moved), Is.InRange(0.5 * RootMeanSquare(expected), 2 * RootMeanSquare(expected)));
        Assert.That(RootMeanSquare(moved), Is.LessThan(0.7 * options.Rate));

        Dictionary<string, float[]> Numbers(string run, int step)
        {
            using var file = JeDi.Files.Safetensors.SafetensorsFile.Open(At($"{run}/step-{step:00000000}/state.safetensors"));
            return file.Entries.ToDictionary(entry => entry.Name, file.ReadFloats);
        }

        static float[] Moved(float[] to, float[] from) => [.. to.Zip(from, (a, b) => a - b)];

        static double RootMeanSquare(float[] values) =>
            Math.Sqrt(values.Where(value => value != 0).Average(value => (double)value * value));

        static void CopyFolder(string from, string to)
        {
            foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
            {
                string copy = Path.Combine(to, Path.GetRelativePath(from, file));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
            }
        }
    }

    [Test]
    public void BadWishesAreOneLine()
    {
        string data = SetFolder.Make(At("data"));
        Fails(["--data", At("none")], 1, "no such folder");
        Fails(["--data", Directory.CreateDirectory(At("empty")).FullName], 1, "no sets");
        Fails([], 1, "--data");
        Fails(["--data", data, "--train", "everything"], 1, "unet, attention");
        Fails(["--data", data, "--images", "0"], 1, "--images");
        Fails(["--data", data, "--weights", "1", "2"], 1, "--weights");
        Fails(["--data", data, "--preset", "huge"], 1, "--preset: tiny or small or sd14 is wanted");
        Fails(["--data", data, "--rat", "2"], 2, "did you mean --rate");
        Fails(["--data", data, "--settings", Write("settings.json", """{"stepps": 3}""")], 2, "'stepps'", "did you mean steps");
        Fails(["--data", data, "--settings", Write("other.json", """{"steps": "three"}""")], 1, "'steps' cannot be");
        Fails(["--resume", "--out", At("nowhere")], 1, "no whole checkpoint");

        void Fails(string[] arguments, int code, params string[] texts) =>
            CliRun.Of(["train", "--out", At("run"), .. arguments.Contains("--out") ? arguments[..1] : arguments]).AssertFails(code, texts);
    }
}
