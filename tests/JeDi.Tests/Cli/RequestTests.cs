using System.Text.Json.Nodes;
using JeDi.Cli;
using JeDi.Cli.Output;
using JeDi.Cli.Requests;
using JeDi.Files;

namespace JeDi.Tests.Cli;

public sealed class RequestTests : FolderFixture
{
    static readonly SampleSettings wishes = new()
    {
        Prompt = ["a dog, running"],
        Negative = "a cat",
        Reference = [new ReferenceSettings("photos/dog.jpg") { Caption = "a dog", Weight = 0.5, Mask = "photos/mask.png", End = 0.75 }],
        Guidance = "text-first",
        TextScale = 3,
        ImageScale = 4.5,
        Rescale = 0.25,
        Sampler = "ddim",
        Steps = 20,
        Width = 128,
        Height = 192,
        Seed = 7,
        Init = "photos/house.jpg",
        Strength = 0.6,
        Lora = ["loras/ink.safetensors:0.8"],
    };

    [Test]
    public void SettingsSurviveJson() =>
        Assert.That(SampleSettings.From(wishes.ToJson(), "here").ToJson().ToJsonString(), Is.EqualTo(wishes.ToJson().ToJsonString()));

    [Test]
    public void LaterWishesLieOverEarlierOnes()
    {
        JsonObject merged = SampleSettings.Merge(
            new JsonObject { ["steps"] = 20, ["seed"] = 7 },
            new JsonObject { ["steps"] = 5, ["prompt"] = "a dog" });
        SampleSettings settings = SampleSettings.From(merged, "here");
        Assert.That((settings.Steps, settings.Seed, settings.Prompt[0]), Is.EqualTo((5, 7L, "a dog")));
    }

    [TestCase("""{"stepps": 5}""", "unknown name 'stepps'; did you mean steps? the names are those of the options")]
    [TestCase("""{"steps": "many"}""", "'steps': a whole number is wanted, not a text")]
    [TestCase("""{"reference": [{"file": "a.jpg", "colour": 1}]}""",
        "reference: unknown name 'colour'; there are file, caption, weight, mask, start, end")]
    [TestCase("""{"reference": {"file": "a.jpg", "wieght": 1}}""", "unknown name 'wieght'; did you mean weight? there are file")]
    public void WrongWishesAreNamed(string json, string message) => Assert.That(
        () => SampleSettings.From(JsonNode.Parse(json)!.AsObject(), "line 3"),
        Throws.TypeOf<UsageException>().With.Message.Contains(message).And.Message.StartsWith("line 3"));

    [Test]
    public void PromptsAreTextsOrObjects()
    {
        string file = Write("prompts.txt", """
            # animals
            a dog

            {"prompt": ["a cat", "a bat"], "together": true, "reference": ["cat.jpg,weight=0.5", {"file": "bat.jpg"}]}
            """);
        JsonObject one = new() { ["reference"] = "a.jpg,weight=1" };
        Assert.That(SampleSettings.From(one, "").Reference, Is.EqualTo([new ReferenceSettings("a.jpg") { Weight = 1 }]));
        IReadOnlyList<(int Line, JsonObject Wishes)> requests = PromptFile.Read(file);
        SampleSettings second = SampleSettings.From(requests[1].Wishes, "");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(requests.Select(request => request.Line), Is.EqualTo([2, 4]));
            Assert.That(SampleSettings.From(requests[0].Wishes, "").Prompt, Is.EqualTo(["a dog"]));
            Assert.That(second.Prompt, Is.EqualTo(["a cat", "a bat"]));
            Assert.That(second.Reference[0], Is.EqualTo(new ReferenceSettings("cat.jpg") { Weight = 0.5 }));
            Assert.That(second.Reference[1], Is.EqualTo(new ReferenceSettings("bat.jpg")));
        }
    }

    [TestCase("{\"prompt\": ", "line 1: not valid JSON")]
    [TestCase("{\"prompt\": \"a\", \"prompt\": \"b\"}", "line 1: not valid JSON")]
    [TestCase("{\"prompt\": \"a\", \"model\": \"b\"}", "line 1: 'model' holds for the whole run")]
    [TestCase("\n# nothing\n", "holds no request")]
    public void WrongPromptFilesAreNamed(string text, string message) =>
        Assert.That(() => PromptFile.Read(Write("a.txt", text)), Throws.TypeOf<UsageException>().With.Message.Contains(message));

    [Test]
    public void SeedsCountThroughTheRun()
    {
        SampleSettings[] requests =
        [
            new() { Prompt = ["a"], N = 2 },
            new() { Prompt = ["b", "c", "d"], Together = true },
            new() { Prompt = ["e"], Seed = 1000 },
            new() { Prompt = ["f"] },
        ];
        IReadOnlyList<PictureSet> sets = PictureSet.Of(requests, 7);
        (long?, int)[] expected = [(7, 1), (8, 1), (9, 3), (1000, 1), (13, 1)];
        Assert.That(sets.Select(set => (set.Wishes.Seed, set.Wishes.Pictures)), Is.EqualTo(expected));
    }

    [Test]
    public void EqualSetsHaveDifferentKeys()
    {
        SampleSettings request = new() { Prompt = ["a"], Seed = 1 };
        Assert.That(PictureSet.Of([request, request, request], 0).Select(set => set.Key), Is.Unique);
    }

    [Test]
    public void JournalRemembersAcrossRuns()
    {
        Journal journal = Journal.Open(Folder, "prompts.txt", newSeed: 5);
        Assert.That(() => Journal.Open(Folder, "prompts.txt", 6), Throws.Exception.Message.Contains("in use by another run"));
        journal.Plan("one", ["00001-seed5.png"]);
        journal.Plan("two", ["00002-seed6.png"]);
        journal.Dispose();
        using Journal again = Journal.Open(Folder, "prompts.txt", newSeed: 99);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(again.Seed, Is.EqualTo(5));
            Assert.That(again.Planned("one"), Is.EqualTo(["00001-seed5.png"]));
            Assert.That(again.Planned("two"), Is.EqualTo(["00002-seed6.png"]));
            Assert.That(again.Planned("three"), Is.Null);
        }
    }

    [Test]
    public void KeyOfASetIsOfWhatChangesPictures()
    {
        string key = Journal.Key(wishes);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Journal.Key(wishes with { Threads = 3, Device = "cpu" }), Is.EqualTo(key));
            Assert.That(Journal.Key(wishes with { Winograd = "off" }), Is.Not.EqualTo(key));
            Assert.That(Journal.Key(wishes with { VaeTiling = "on" }), Is.Not.EqualTo(key));
        }
    }

    [TestCase("a Red hat, 2 UMBRELLAS", "2 UMBRELLAS", "2", "umbrellas")]
    [TestCase("in 2025 it  rained", "2025 it rained", "2", "5", "it", "rained")]
    [TestCase("the e\u0301clair", "\u00e9clair", "\u00e9clair")]
    public void LostWordsAreThoseOfThePrompt(string prompt, string lost, params string[] pieces) =>
        Assert.That(LostWords.Of(prompt, pieces), Is.EqualTo(lost));

    [TestCase("")]
    [TestCase("{")]
    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("""{"sets": null}""")]
    [TestCase("""{"sets": [{"key": null}]}""")]
    [TestCase("""{"sets": [{"key": "a", "files": null}]}""")]
    public void BrokenJournalIsRefused(string text)
    {
        Write("prompts.txt.journal.json", text);
        Assert.That(
            () => Journal.Open(Folder, "prompts.txt", 1),
            Throws.TypeOf<FileException>().With.Message.Contains("remove it to start over"));
    }

    [Test]
    public void ParametersSurviveThePictureInAnyFolder()
    {
        var parameters = new PictureParameters(wishes, 0, new Dictionary<string, string> { [Path.GetFullPath("photos/dog.jpg")] = "abc" });
        PictureParameters back = PictureParameters.Parse(parameters.ToJson(At("out")), At("out/00001-seed7.png"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(back.Wishes.Reference[0], Is.EqualTo(wishes.Reference[0] with
            {
                File = Path.GetFullPath("photos/dog.jpg"),
                Mask = Path.GetFullPath("photos/mask.png"),
            }));
            Assert.That(back.Wishes.Lora, Is.EqualTo([Path.GetFullPath("loras/ink.safetensors") + ":0.8"]));
            Assert.That(back.Wishes.TextScale, Is.EqualTo(3));
            Assert.That(back.Files, Is.EqualTo(parameters.Files));
        }
    }

    /// <summary>A model that is there is found again from any folder, even where its path looks like a name.</summary>
    [TestCase(".", ".")]
    [TestCase(ModelFinder.Default, null)]
    public void ModelIsAPathOrAName(string model, string? path)
    {
        var parameters = new PictureParameters(wishes with { Model = model }, 0, new Dictionary<string, string>());
        string below = Path.GetDirectoryName(Environment.CurrentDirectory)!;
        PictureParameters back = PictureParameters.Parse(parameters.ToJson(below), Path.Combine(below, "00001-seed7.png"));
        Assert.That(back.Wishes.Model, Is.EqualTo(path is null ? model : Path.GetFullPath(path)));
    }

    [Test]
    public void ParametersReadLikeThoseOfOtherTools() => Assert.That(
        new PictureParameters(wishes, 0, new Dictionary<string, string>()).ToText(),
        Is.EqualTo("a dog, running\nNegative prompt: a cat\nSteps: 20, Sampler: ddim, CFG scale: 3, Seed: 7, Size: 128x192, "
            + "Model: jedi-emoji, Guidance: text-first, Image scale: 4.5, Rescale: 0.25, References: 1, Denoising strength: 0.6, "
            + $"Lora: ink.safetensors:0.8, Version: {PictureParameters.Engine}"));

    [TestCase(null, "has no parameters inside")]
    [TestCase("", "cannot be read")]
    [TestCase("{}", "cannot be read")]
    [TestCase("""{"picture": 0, "settings": 3}""", "cannot be read")]
    public void PicturesWithoutParametersAreNamed(string? json, string message) => Assert.That(
        () => PictureParameters.Parse(json, "a.png"), Throws.TypeOf<FileException>().With.Message.Contains(message));
}
