using System.Text.Json.Nodes;
using JeDi.Cli;
using JeDi.Files.Images;

namespace JeDi.Tests.Cli;

/// <summary>The whole of <c>sample</c> on the small model that ships, with few steps.</summary>
public sealed class SampleTests : FolderFixture
{
    static string Photo => Repository.Find("tests/trial/one-reference-ref0.png");

    string Reference => $"{Photo},caption=a mosquito,weight=0.7";

    [Test]
    public void PictureRepeatsFromTheParametersInsideIt()
    {
        CliRun first = Sample("a", "a red hat", "--reference", Reference, "--steps", "2", "--seed", "7", "--sampler", "euler-a");
        string picture = first.OutLines.Single();
        CliRun again = CliRun.Of("sample", "--params-from", picture, "-o", At("b"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(picture, Is.EqualTo(At("a/00001-seed7.png")));
            Assert.That(again.OutLines, Is.EqualTo([At("b/00001-seed7.png")]), again.Error);
            AssertSamePixels(picture, At("b/00001-seed7.png"));
        }

        Sample("c", "--params-from", picture, "--seed", "8");
        byte[] other = ImageReader.Read(At("c/00001-seed8.png")).Rgb;
        Assert.That(other, Is.Not.EqualTo(ImageReader.Read(picture).Rgb), "options win over parameters");
    }

    [Test]
    public void JsonLineHoldsAllThatWasUsed()
    {
        CliRun run = Sample("a", "a red hat", "--steps", "1", "--seed", "7", "--json");
        JsonObject line = JsonNode.Parse(run.OutLines.Single())!.AsObject();
        JsonObject settings = line["settings"]!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string?)line["file"], Is.EqualTo(At("a/00001-seed7.png")));
            Assert.That((long?)line["seed"], Is.EqualTo(7));
            Assert.That((double?)line["seconds"], Is.GreaterThan(0));
            Assert.That((string?)settings["sampler"], Is.EqualTo("ddim"), "the model's default");
            Assert.That((int?)settings["width"], Is.EqualTo(128));
        }
    }

    [Test]
    public void ManyPicturesAreThoseOfTheirSeeds()
    {
        Sample("many", "a red hat", "--steps", "2", "--seed", "7", "-n", "2", "--grid");
        Sample("one", "a red hat", "--steps", "2", "--seed", "8");
        AssertSamePixels(At("many/00002-seed8.png"), At("one/00001-seed8.png"));
        PixelImage grid = ImageReader.Read(At("many/00001-seed7-grid.png"));
        Assert.That(grid.Crop(128, 0, 128, 128).Rgb, Is.EqualTo(ImageReader.Read(At("many/00002-seed8.png")).Rgb));
    }

    [Test]
    public void PicturesOfASetHaveTheirOwnPromptsAndSeeds()
    {
        CliRun run = Sample("a", "a red hat", "--prompt", "a blue hat", "--together", "--steps", "2", "--seed", "7");
        Assert.That(run.OutLines.Select(Path.GetFileName), Is.EqualTo(["00001-seed7.png", "00002-seed8.png"]));
        string[] texts = [.. run.OutLines.Select(path => PngText.Read(path)["parameters"])];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(texts[0], Does.StartWith("a red hat\n").And.Contains("Together: 1 of 2"));
            Assert.That(texts[1], Does.StartWith("a blue hat\n").And.Contains("Seed: 8"));
        }
    }

    [Test]
    public void AttentionMapStandsBesideItsPicture()
    {
        Sample("a", "a red hat", "--reference", Photo, "--reference", Photo, "--attention-map", "--steps", "1", "--seed", "7");
        PixelImage map = ImageReader.Read(At("a/00001-seed7-attention.png"));
        Assert.That((map.Width, map.Height), Is.EqualTo((3 * 128, 2 * 128)));
        Assert.That(map.Crop(256, 0, 128, 128).Rgb, Is.EqualTo(ImageReader.Read(At("a/00001-seed7.png")).Rgb));
    }

    [TestCase("--init", "--strength", "0.5")]
    [TestCase("--init", "--inpaint")]
    public void PictureStartsFromAnother(params string[] options)
    {
        string[] arguments = [.. options.SelectMany(option => option is "--init" or "--inpaint" ? (string[])[option, Photo] : [option])];
        CliRun run = Sample("a", ["a red hat", "--steps", "2", "--seed", "7", .. arguments]);
        Assert.That(run.OutLines, Has.Length.EqualTo(1));
    }

    [Test]
    public void ChangedPhotoIsNoticed()
    {
        File.Copy(Photo, At("photo.png"));
        Sample("a", "a red hat", "--reference", At("photo.png"), "--steps", "1", "--seed", "7");
        File.Copy(Repository.Find("tests/trial/euler-ref0.png"), At("photo.png"), overwrite: true);
        CliRun run = Sample("b", "--params-from", At("a/00001-seed7.png"));
        Assert.That(run.Error, Does.Contain("photo.png has changed"));
    }

    [Test]
    public void LongPromptNamesTheWordsThatAreLost()
    {
        CliRun run = Sample("a", string.Join(' ', Enumerable.Repeat("a red hat", 30)) + " umbrella", "--steps", "1", "--quiet");
        Assert.That(run.Error, Does.StartWith("jedi-native: warning: the prompt is longer than the model reads"));
        Assert.That(run.Error.TrimEnd('\n'), Does.EndWith("more").Or.EndWith("umbrella"));
    }

    /// <summary>Stopped by the user between two steps: no file of the unfinished picture is left, previews included.</summary>
    [Test]
    public void StoppedRunLeavesNoHalfPicture()
    {
        using var stop = new CancellationTokenSource();
        Directory.CreateDirectory(At("a"));
        using var watcher = new FileSystemWatcher(At("a"), "*-preview.png") { EnableRaisingEvents = true };
        watcher.Renamed += (_, _) => stop.Cancel();
        string[] arguments = ["sample", "a red hat", "--steps", "1000", "--preview", "2", "--seed", "7", "-o", At("a"), "--quiet"];
        CliRun run = CliRun.Of(stop.Token, arguments);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Code, Is.EqualTo(130));
            Assert.That(run.Error, Is.EqualTo("jedi-native: stopped\n"));
            Assert.That(Directory.EnumerateFileSystemEntries(At("a")), Is.Empty);
        }
    }

    /// <summary>A run from a file that is stopped after each picture in turn ends with the pictures of a run that is not.</summary>
    [Test]
    public void RunFromAFileGoesOnWhereItStopped()
    {
        string prompts = Write("prompts.txt", """
            a red hat
            {"prompt": ["a red car", "a blue car"], "together": true, "steps": 2}
            {"prompt": "a house", "n": 2}
            a red hat
            """);
        string[] arguments = ["sample", "--prompts-from", prompts, "--steps", "1", "--seed", "7"];
        CliRun whole = CliRun.Of([.. arguments, "-o", At("whole")]);
        Assert.That(whole.OutLines, Has.Length.EqualTo(6), whole.Error);
        var codes = new List<int>();
        for (int run = 0; run < 8 && codes.LastOrDefault(130) != 0; run++)
        {
            codes.Add(StopAfterOnePicture([.. arguments, "-o", At("parts")]));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(codes[0], Is.EqualTo(130));
            Assert.That(codes[^1], Is.Zero);
            Assert.That(Names("parts"), Is.EqualTo(Names("whole")));
            foreach (string name in Names("whole").Where(name => name.EndsWith(".png", StringComparison.Ordinal)))
            {
                AssertSamePixels(At($"whole/{name}"), At($"parts/{name}"));
            }
        }

        CliRun done = CliRun.Of([.. arguments, "-o", At("parts")]);
        Assert.That((done.Code, done.Out), Is.EqualTo((0, "")));
        Assert.That(done.Error, Does.Contain("5 of 5 were made before"));
    }

    /// <summary>Runs side by side find the same names free; each picture, grid and preview is still a file of its own.</summary>
    [Test]
    public void ParallelRunsOverwriteNothing()
    {
        string[] prompts = ["a red hat", "a blue car"];
        CliRun[] runs = [.. prompts.AsParallel().AsOrdered().WithDegreeOfParallelism(2).Select(prompt =>
            Sample("a", prompt, "--steps", "2", "--seed", "7", "-n", "2", "--grid", "--preview", "1"))];
        string[] pictures = [.. runs.SelectMany(run => run.OutLines)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(pictures, Is.Unique);
            Assert.That(Names("a"), Has.Length.EqualTo(6), "four pictures, two grids, no preview");
            foreach ((string prompt, CliRun run) in prompts.Zip(runs))
            {
                Assert.That(run.OutLines.Select(path => PngText.Read(path)["parameters"]), Is.All.StartWith(prompt));
            }
        }
    }

    /// <summary>What is missing of a finished run is made again, and nothing else; options that change no picture change nothing.</summary>
    [Test]
    public void ResumedRunMakesWhatIsMissing()
    {
        string prompts = Write("prompts.txt", "a red hat\na blue car\n");
        string[] arguments =
        [
            "--prompts-from", prompts, "--reference", Photo, "--steps", "1", "--seed", "7", "--attention-map", "--grid",
        ];
        Sample("a", arguments);
        string[] all = Names("a");
        string[] missing = ["00001-seed7-grid.png", "00002-seed8.png"];
        Assert.That(missing, Is.SubsetOf(all));
        Array.ForEach(missing, name => File.Delete(At($"a/{name}")));
        CliRun again = Sample("a", [.. arguments, "--threads", "1", "--device", "cpu"]);
        Assert.That(again.OutLines, Is.EqualTo([At("a/00002-seed8.png")]));
        Assert.That(Names("a"), Is.EqualTo(all));
        File.Delete(At("a/00001-seed7-attention.png"));
        Assert.That(Sample("a", arguments).OutLines, Is.EqualTo([At("a/00001-seed7.png")]));
        Assert.That(Names("a"), Is.EqualTo(all));
    }

    /// <summary>The seed that is told is the run's, and that the first step is under way is told before it is done.</summary>
    [Test]
    public void RunTellsItsSeedAndSize()
    {
        string prompts = Write("prompts.txt", "a red hat\na blue car\n");
        string[] arguments = ["--prompts-from", prompts, "--steps", "1", "--seed", "7"];
        Sample("a", arguments);
        File.Delete(At("a/00002-seed8.png"));
        CliRun again = Sample("a", arguments);
        string why = OptionNames.In(Devices.WhyNoGpu ?? "");
        Assert.That(again.Error, Does.Contain($"({why}), seed 7\npicture 1 of 1: 128 x 128, 1 step\n"));
    }

    /// <summary>The same pictures from the folder, the single file of it, and the folder made of that.</summary>
    [Test]
    public void ConvertedModelsMakeTheSamePictures()
    {
        string tokenizer = Repository.Find("tests/trial/tiny-jedi/tokenizer");
        Assert.That(CliRun.Of("convert", "tiny-jedi", "--to", At("tiny.safetensors"), "--quiet").Code, Is.Zero);
        Assert.That(CliRun.Of("convert", At("tiny.safetensors"), "--to", At("tiny"), "--tokenizer", tokenizer, "--quiet").Code, Is.Zero);
        string[] pictures = [.. ((string[])["tiny-jedi", At("tiny.safetensors"), At("tiny")]).Select((model, i) =>
            Sample($"out{i}", "a red hat", "--steps", "2", "--seed", "7", "--model", model, "--tokenizer", tokenizer).OutLines.Single())];
        AssertSamePixels(pictures[0], pictures[1]);
        AssertSamePixels(pictures[0], pictures[2]);
        Assert.That(CliRun.Of("convert", "tiny-jedi", "--to", At("tiny"), "--force", "-q").Code, Is.Zero, "a folder that convert wrote");
    }

    [Test]
    public void InfoSaysWhatThingsAre()
    {
        string picture = Sample("a", "a red hat", "--steps", "1", "--seed", "7").OutLines.Single();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(CliRun.Of("info").Out, Does.Contain("cpu").And.Contain("cuda"));
            Assert.That(CliRun.Of("info", "tiny-jedi").Out, Does.Contain("JeDi (reference input)").And.Contain("7,543,588"));
            Assert.That(CliRun.Of("info", "tiny-jedi", "--tensors").Out, Does.Contain("UNet: conv_in.weight F16 [64, 9, 3, 3]"));
            Assert.That(CliRun.Of("info", "tiny-jedi").Out, Does.Contain("9 (mask,noisy,clean)"));
            Assert.That(CliRun.Of("info", picture).Out, Does.Contain("a red hat; Steps: 1, Sampler: ddim"));
            JsonNode parameters = JsonNode.Parse(CliRun.Of("info", picture, "--json").Out)!["parameters"]!;
            Assert.That((string?)parameters, Does.StartWith("a red hat\nSteps"));
            Assert.That(CliRun.Of("info", Jpeg()).Out, Does.Contain("JPEG").And.Contains("8").And.Contains("only PNG files"));
            JsonNode json = JsonNode.Parse(CliRun.Of("info", "tiny-jedi", "--json").Out)!;
            Assert.That((long?)json["unet"]!["parameters"], Is.EqualTo(7_543_588));
        }
    }

    string Jpeg()
    {
        using var bitmap = new SkiaSharp.SKBitmap(8, 8);
        using SkiaSharp.SKData jpeg = bitmap.Encode(SkiaSharp.SKEncodedImageFormat.Jpeg, 90);
        File.WriteAllBytes(At("x.jpeg"), jpeg.ToArray());
        return At("x.jpeg");
    }

    CliRun Sample(string folder, params string[] arguments)
    {
        CliRun run = CliRun.Of(["sample", .. arguments, "-o", At(folder)]);
        Assert.That(run.Code, Is.Zero, run.Error);
        return run;
    }

    int StopAfterOnePicture(string[] arguments)
    {
        using var stop = new CancellationTokenSource();
        return CommandLine.Run(arguments, new StoppingWriter(stop), new StringWriter(), stop.Token);
    }

    string[] Names(string folder) => [.. Directory.EnumerateFiles(At(folder)).Select(path => Path.GetFileName(path)).Order()];

    static void AssertSamePixels(string expected, string actual) =>
        Assert.That(ImageReader.Read(actual).Rgb, Is.EqualTo(ImageReader.Read(expected).Rgb), $"{actual} is not {expected}");

    /// <summary>Stops the run when it tells its first picture.</summary>
    sealed class StoppingWriter(CancellationTokenSource stop) : StringWriter
    {
        public override void WriteLine(string? value) => stop.Cancel();
    }
}
