using System.Text.Json.Nodes;
using JeDi.Cpu;
using JeDi.Evaluation;
using JeDi.Files.Images;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Cli;
using JeDi.Tests.Models;

namespace JeDi.Tests.Evaluation;

public sealed class EvaluationTests
{
    const string List = """
        Classes

        subject_name,class
        backpack,backpack
        dog6,dog
        red_cartoon,cartoon

        Prompts

        Object Prompts

        prompt_list = [
        'a {0} {1} in the jungle'.format(unique_token, class_token),
        'a {0} {1} with a city in the background'.format(unique_token, class_token),
        ]

        Live Subject Prompts

        prompt_list = [
        'a {0} {1} wearing a red hat'.format(unique_token, class_token),
        ]
        """;

    readonly TestFolder folder = new();
    string clip = "";
    string dino = "";

    [OneTimeSetUp]
    public void MakeEncoders() => (clip, dino) = (TinyEncoders.Clip(folder.At("clip")), TinyEncoders.Dino(folder.At("dino")));

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    /// <summary>(3, 4) and (4, 3) have the cosine 24 / 25.</summary>
    [Test]
    public void CosinesAndTheirMeans()
    {
        double[] a = Features.Unit([3, 4]);
        double[] b = Features.Unit([4, 3]);
        double[] c = Features.Unit([-4, 3]);
        Assert.That(Features.Cosine(a, b), Is.EqualTo(24 / 25.0).Within(1e-15));
        Assert.That(Features.MeanOfPairs([a, b], [b, c]), Is.EqualTo((24 / 25.0 + 0 + 1 + -7 / 25.0) / 4).Within(1e-15));
        Score score = Score.Of([1, 2, 6])!;
        Assert.That(score.Mean, Is.EqualTo(3));
        Assert.That(score.Error, Is.EqualTo(Math.Sqrt((4 + 1 + 9) / 2.0 / 3)).Within(1e-15));
        Assert.That(Score.Of([]), Is.Null);
    }

    /// <summary>Shorter side to 16, the middle 8 x 8; a flat colour stays, and what a mask hides is black.</summary>
    [Test]
    public void PicturesArePrepared()
    {
        var picture = new PixelImage(40, 20, [.. Enumerable.Repeat((byte[])[255, 51, 0], 800).SelectMany(pixel => pixel)]);
        var half = new Preparation(16, 8, Filter.Bicubic, [0.5f, 0.2f, 0], [0.5f, 0.1f, 2]);
        float[] values = half.Run(picture);
        Assert.That(values, Has.Length.EqualTo(8 * 8 * 3));
        Assert.That(values.Take(3), Is.EqualTo(new[] { 1f, 0f, 0f }).Within(1e-6f));
        var mask = new PixelImage(40, 20, new byte[3 * 800]);
        Assert.That(half.Run(picture, mask).Take(3), Is.EqualTo(new[] { -1f, -2f, 0f }).Within(1e-6f));
    }

    [Test]
    public void PreparationIsRead()
    {
        var read = Preparation.Read(
            ConfigReader.Parse(
                """{"size": {"height": 224, "width": 224}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.1, 0.2, 0.3], "resample": 2}""",
                "x"),
            Preparation.Dino(224));
        Assert.That((read.Resize, read.Crop, read.Filter), Is.EqualTo((224, 224, Filter.Bilinear)));
        Assert.That(read.Deviation, Is.EqualTo(new[] { 0.1f, 0.2f, 0.3f }));
        Assert.That(Preparation.Dino(224).Resize, Is.EqualTo(256));
        Assert.That(
            () => Preparation.Read(ConfigReader.Parse("""{"image_mean": [1]}""", "x"), Preparation.Clip(224)),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("'image_mean' has 1 values"));
    }

    /// <summary>The whole command over a folder of subjects, against the mean of the encoders' own cosines.</summary>
    [Test]
    public void MeasuresOfSubjects()
    {
        string results = folder.At("results");
        string real = folder.At("real");
        foreach ((string subject, int count, int photos) in new[] { ("ball", 3, 2), ("cube", 1, 1) })
        {
            Draw(Path.Combine(results, subject), count, seed: subject.Length + count);
            Draw(Path.Combine(real, subject), photos, seed: 100 + count);
        }

        JsonNode told = JsonNode.Parse(CliRun.Of(
            "evaluate", results, "--references", real, "--clip", clip, "--dino", dino, "--device", "cpu", "--json", "--chart",
            folder.At("scores.svg")).AssertSucceeds())!;
        using var device = new CpuDevice();
        PictureEncoder encoder = PictureEncoder.OpenDino(device, dino);
        double[] expected = [.. new[] { "ball", "cube" }.Select(subject => Features.MeanOfPairs(
            Encode(Path.Combine(results, subject)), Encode(Path.Combine(real, subject))))];
        Assert.That((double)told["subjects"]![0]!["DINO"]!["mean"]!, Is.EqualTo(expected[0]).Within(1e-12));
        Assert.That((double)told["total"]!["DINO"]!["mean"]!, Is.EqualTo(expected.Average()).Within(1e-12));
        Assert.That((int)told["subjects"]![0]!["CLIP-I"]!["count"]!, Is.EqualTo(3));
        Assert.That(told["total"]!["CLIP-T"], Is.Null, "no picture has a prompt");
        Assert.That((int)told["without_mask"]!, Is.EqualTo(4));
        Assert.That(File.ReadAllText(folder.At("scores.svg")), Does.Contain("DINO").And.Contain("cube"));

        List<double[]> Encode(string place) => [.. ResultFolder.Pictures(place).Select(file => encoder.Encode(ImageReader.Read(file)))];
    }

    /// <summary>A picture has the cosine 1 with itself; prompts and masks come from the list.</summary>
    [Test]
    public void MeasuresOfAList()
    {
        string[] files = Draw(folder.At("listed"), 2, seed: 5);
        PngWriter.Write(folder.At("mask.png"), new PixelImage(40, 40, [.. Enumerable.Repeat((byte)255, 4800)]));
        File.WriteAllLines(folder.At("list.jsonl"),
        [
            """{"image": "listed/0.png", "prompt": "a red ball", "references": ["listed/0.png"], "mask": "mask.png", """
                + """ "referenceMasks": ["mask.png"]}""",
            "",
        ]);
        JsonNode told = JsonNode.Parse(
            CliRun.Of("evaluate", folder.At("list.jsonl"), "--clip", clip, "--device", "cpu", "--json").AssertSucceeds())!["total"]!;
        using var device = new CpuDevice();
        double text = Features.Cosine(
            PictureEncoder.OpenClip(device, clip).Encode(ImageReader.Read(files[0])), TextEncoder.Open(device, clip).Encode("a red ball"));
        Assert.That((double)told["CLIP-T"]!["mean"]!, Is.EqualTo(text).Within(1e-12));
        Assert.That((double)told["CLIP-I"]!["mean"]!, Is.EqualTo(1).Within(1e-12));
        Assert.That((double)told["MCLIP-I"]!["mean"]!, Is.EqualTo(1).Within(1e-12));
        Assert.That(told["DINO"], Is.Null);
    }

    /// <summary>CLIP's text features are the projected state of the end token, which its padding does not change.</summary>
    [Test]
    public void TextFeaturesAreTheEndTokens()
    {
        using var device = new CpuDevice();
        TextEncoder encoder = TextEncoder.Open(device, clip);
        Assert.That(Features.Cosine(encoder.Encode("a red ball"), encoder.Encode("a red ball")), Is.EqualTo(1).Within(1e-12));
        Assert.That(Features.Cosine(encoder.Encode("a red ball"), encoder.Encode("a blue cube in the snow")), Is.LessThan(0.9999));
    }

    [Test]
    public void DreamBoothIsUnderstood()
    {
        string place = folder.At("dreambooth");
        Directory.CreateDirectory(Path.Combine(place, "dataset"));
        File.WriteAllText(Path.Combine(place, "dataset", "prompts_and_classes.txt"), List);
        foreach (string subject in new[] { "backpack", "dog6", "red_cartoon" })
        {
            Draw(Path.Combine(place, "dataset", subject), 4, seed: subject.Length);
        }

        var data = new DreamBoothFolder(place);
        Assert.That(data.Classes["red_cartoon"], Is.EqualTo("cartoon"));
        Assert.That(data.Prompts("backpack"), Is.EqualTo(new[] { "a backpack in the jungle", "a backpack with a city in the background" }));
        Assert.That(data.Prompts("dog6"), Is.EqualTo(new[] { "a dog wearing a red hat" }));
        CliRun.Of("evaluate", "--dreambooth", place, "--requests", folder.At("requests.jsonl")).AssertSucceeds();
        JsonNode[] requests = [.. File.ReadLines(folder.At("requests.jsonl")).Select(line => JsonNode.Parse(line)!)];
        Assert.That(requests, Has.Length.EqualTo(2 + 1 + 2));
        Assert.That(requests[2]["reference"]!.AsArray(), Has.Count.EqualTo(3));

        // Results in DreamBooth's layout: subject, number of the prompt.
        string results = folder.At("dreambooth-results");
        Draw(Path.Combine(results, "backpack", "1"), 1, seed: 3);
        JsonNode told = JsonNode.Parse(CliRun.Of(
            "evaluate", results, "--dreambooth", place, "--clip", clip, "--device", "cpu", "--json").AssertSucceeds())!["total"]!;
        using var device = new CpuDevice();
        double text = Features.Cosine(
            PictureEncoder.OpenClip(device, clip).Encode(ImageReader.Read(Path.Combine(results, "backpack", "1", "0.png"))),
            TextEncoder.Open(device, clip).Encode("a backpack with a city in the background"));
        Assert.That((double)told["CLIP-T"]!["mean"]!, Is.EqualTo(text).Within(1e-12));
    }

    [TestCase("by which encoder", 2)]
    [TestCase("there is no such folder", 1, "--dino", "dino", "nowhere")]
    [TestCase("nothing says what it should show", 1, "--dino", "dino", "stray")]
    [TestCase("config.json: missing", 1, "--dino", "stray", "stray", "--references", "stray")]
    [TestCase("prompts_and_classes.txt: is missing", 1, "--dreambooth", "stray", "stray", "--dino", "dino")]
    public void BadInputIsOneLine(string message, int code, params string[] words)
    {
        Draw(folder.At("stray"), 1, seed: 9);
        string[] arguments = [.. words.Select(word => word.StartsWith('-') ? word : folder.At(word))];
        CliRun.Of(["evaluate", .. arguments.Length == 0 ? [folder.At("stray")] : arguments, "--device", "cpu"]).AssertFails(code, message);
    }

    static string[] Draw(string place, int count, int seed)
    {
        Directory.CreateDirectory(place);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var random = new Random(seed * 1000 + i);
            var rgb = new byte[3 * 40 * 40];
            random.NextBytes(rgb);
            string file = Path.Combine(place, $"{i}.png");
            PngWriter.Write(file, new PixelImage(40, 40, rgb));
            return file;
        })];
    }
}
