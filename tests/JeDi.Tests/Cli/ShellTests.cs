using JeDi.Cli;
using JeDi.Cli.Output;
using JeDi.Cli.Requests;
using JeDi.Files.Images;
using JeDi.Tests.Models;

namespace JeDi.Tests.Cli;

/// <summary>Small things of the shell: numbers by one rule, the end of options, lines of prompts files, texts out of files.</summary>
public sealed class ShellTests
{
    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [TestCase("--text-scale", "1,5", "a number is wanted, with a point: 1.5")]
    [TestCase("--text-scale", "NaN", "a number is wanted")]
    [TestCase("--rescale", "1,000", "a number is wanted")]
    [TestCase("--steps", "1,5", "a whole number is wanted")]
    [TestCase("--steps", "99999999999", "1 to 1000 is wanted")]
    [TestCase("--width", "-99999999999", "1 to 8192 is wanted")]
    [TestCase("--seed", "99999999999999999999", "to 9007199254740992 is wanted")]
    [TestCase("--threads", "9999999999", "1 to 1024 is wanted")]
    [TestCase("--clip-skip", "13", "1 to 12 is wanted")]
    [TestCase("--prompt-syntax", "fancy", "there are plain, weights")]
    [TestCase("--strength", "0", "more than 0 up to 1 is wanted")]
    public void NumbersAreReadByOneRule(string option, string value, string message)
    {
        string[] more = option == "--strength" ? ["--init", "x.png"] : [];
        CliRun.Of(["sample", "a", option, value, .. more]).AssertFails(2, message);
    }

    [Test]
    public void FactorsOfLorasAreNumbers()
    {
        string file = folder.At("f");
        File.WriteAllText(file, "");
        foreach (string factor in new[] { "NaN", "1,5", "Infinity", "" })
        {
            Assert.That(
                () => LoraArgument.Parse($"{file}:{factor}"),
                Throws.TypeOf<UsageException>().With.Message.Contains($"the factor '{factor}' is no finite number"));
        }

        Assert.That(LoraArgument.Parse($"{file}:0.5"), Is.EqualTo(new LoraFile(file, 0.5)));
        Assert.That(LoraArgument.Parse($"{file}:-1e-1").Weight, Is.EqualTo(-0.1));
    }

    /// <summary>Behind -- stands the prompt, whatever it begins with.</summary>
    [Test]
    public void TwoDashesEndTheOptions()
    {
        CliRun.Of("sample", "--width", "100", "--", "-a prompt").AssertFails(2, "--width 100: not a multiple of 64");
        CliRun.Of("sample", "-a prompt").AssertFails(2, "unknown option -a prompt");
    }

    [TestCase("# a comment\n#\n##\n#tag of a dog\n\\# of dogs\n", "#tag of a dog|# of dogs")]
    [TestCase("[cat] on a mat\n{\"prompt\": \"a\", \"count\": 2}\n", "[cat] on a mat|a")]
    public void CommentsAndPrompts(string text, string prompts) =>
        Assert.That(string.Join('|', Read(text).Select(line => (string)line["prompt"]!)), Is.EqualTo(prompts));

    [Test]
    public void CountIsAnotherNameOfN() => Assert.That((int)Read("{\"prompt\": \"a\", \"count\": 2}")[0]["n"]!, Is.EqualTo(2));

    [TestCase("[\"a\", \"b\"]", "JSON list")]
    [TestCase("[\n{\"prompt\": \"a\"}\n]", "JSON list")]
    [TestCase("a\n[{\"prompt\": \"a\"}]", "line 2: a JSON list")]
    [TestCase("{\"prompt\": \"a\", \"grid\": true}", "'grid' holds for the whole run; give it on the command line. A line can say prompt,")]
    [TestCase("{\"prompt\": \"a\", \"steps\": 99999999999}", "'steps': 1 to 1000 is wanted, not 99999999999")]
    public void LinesThatCannotBeUsedAreNamed(string text, string message) => Assert.That(
        () => Read(text).ForEach(line => SampleSettings.From(line, "here")),
        Throws.TypeOf<UsageException>().With.Message.Contains(message));

    /// <summary>A line keeps its seed wherever it stands; equal lines have seeds of their own.</summary>
    [Test]
    public void InsertedLinesMoveNoSeeds()
    {
        using Journal journal = Journal.Open(folder.Path, "seeds.txt", 5);
        Assert.That(journal.Offsets([("a", 2), ("b", 1), ("a", 1)]), Is.EqualTo(new long[] { 0, 2, 3 }));
        Assert.That(journal.Offsets([("new", 1), ("a", 2), ("b", 1), ("a", 1)]), Is.EqualTo(new long[] { 4, 0, 2, 3 }));
    }

    [Test]
    public void TextsOutOfFilesMoveNoCursor()
    {
        string path = folder.At("escape.png");
        PngWriter.Write(path, new PixelImage(2, 2, new byte[12]), [("parameters", "red \u001b[31m\u0007\u009b \u202e dog\nnext")]);
        CliRun run = CliRun.Of("info", path);
        Assert.That(run.Out, Does.Contain("dog").And.Not.Contain("\u001b").And.Not.Contain("\u0007").And.Not.Contain("\u009b"));
        CliRun.Of("info", folder.At("\u001b[31mnone")).AssertFails(1, "none");
        Assert.That(CliRun.Of("info", folder.At("\u001b[31mnone")).Error, Does.Not.Contain("\u001b"));
    }

    [Test]
    public void JsonIsWrittenAsItIs()
    {
        string path = folder.At("größe.png");
        PngWriter.Write(path, new PixelImage(2, 2, new byte[12]), [("parameters", "犬")]);
        Assert.That(CliRun.Of("info", path, "--json").Out, Does.Contain("犬").And.Contain("größe"));
    }

    [TestCase("model.ckpt")]
    [TestCase("model.gguf")]
    [TestCase("model.png")]
    public void ConvertWritesNoOtherFormat(string name) =>
        CliRun.Of("convert", "--recipe", "tiny", "--to", folder.At(name)).AssertFails(1, "is another format");

    [Test]
    public void PreviewsThatAKilledRunLeftAreRemoved()
    {
        OutputFolder output = OutputFolder.Open(folder.Path);
        string left = folder.At("00009-seed1-preview.png");
        File.WriteAllText(left, "x");
        new SetFiles(output, ["00009-seed1.png"], promised: false).RemoveOldPreviews();
        Assert.That(File.Exists(left), "another run's");
        new SetFiles(output, ["00009-seed1.png"], promised: true).RemoveOldPreviews();
        Assert.That(File.Exists(left), Is.False);
    }

    [Test]
    public void WishesWithoutEffectGetALine()
    {
        ReferenceSettings[] photos = [new("x.png")];
        var wishes = new SampleSettings { Prompt = ["a"], ImageScale = 3, Reference = photos, Guidance = "joint" };
        Assert.That(WithoutEffect.Lines(wishes, null, wishes, 30, 20), Has.Exactly(2).Items
            .And.Some.StartsWith("--image-scale changes nothing in joint guidance").And.Some.StartsWith("--preview 30: none will come"));
        SampleSettings used = wishes with { Guidance = "text-first" };
        Assert.That(WithoutEffect.Lines(used, null, used, 5, 20), Is.Empty);
        Assert.That(WithoutEffect.Lines(wishes, wishes, wishes, 5, 20), Is.Empty, "what a repeated picture had inside was not asked for");
    }

    List<System.Text.Json.Nodes.JsonObject> Read(string text)
    {
        string path = folder.At("prompts.txt");
        File.WriteAllText(path, text);
        return [.. PromptFile.Read(path).Select(line => line.Wishes)];
    }
}
