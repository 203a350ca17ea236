using System.Text.Json.Nodes;
using JeDi.Datasets.Emoji;
using JeDi.Evaluation.Drawings;
using JeDi.Files.Images;
using JeDi.Tests.Cli;
using JeDi.Tests.Datasets;
using JeDi.Tests.Models;

namespace JeDi.Tests.Evaluation;

/// <summary>The trial on drawings that nothing was learnt from: rules on pixels, held to pictures whose content is known.</summary>
public sealed class DrawingTests
{
    const int Names = 60;
    const int Side = 128;

    static readonly string model = Repository.Find("tests/trial/tiny-jedi");

    readonly TestFolder folder = new();
    EmojiLibrary library = null!;

    [OneTimeSetUp]
    public void Draw() => library = TestDrawings.Shapes(folder.Path, Names);

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    static IEnumerable<TestCaseData> Grounds() =>
        from colour in Enumerable.Range(0, EmojiLook.Colours.Count)
        from pattern in Enum.GetValues<EmojiPattern>()
        from direction in Enumerable.Range(0, pattern == EmojiPattern.Striped ? 3 : 1)
        select new TestCaseData(colour, pattern, direction);

    /// <summary>Every background is seen for what it is, and the subject on it for what it covers, but for its rim of a pixel.</summary>
    [TestCaseSource(nameof(Grounds))]
    public void ABackgroundIsRecognised(int colour, EmojiPattern pattern, int direction)
    {
        // Cyan: none of the colours of the backgrounds.
        var subject = new EmojiSubject(library.Entries[0], Math.PI, 1);
        EmojiLook look = new(colour, pattern, EmojiPlace.Left, 0.4, 0.55, 0.6, 0.3, true, 0.22, 0.4, direction, (4, -3, 5));
        EmojiPicture picture = new EmojiPainter(library).Paint(subject, [look], Side)[0];
        Backdrop backdrop = Backdrop.Of(picture.Image);
        Assert.That(backdrop.Is(look), Is.True, $"seen as {backdrop.Pattern} {EmojiLook.Colours[backdrop.Colour].Name}");
        double area = picture.Mask.Sum(m => (double)m);
        double wrong = picture.Mask.Zip(backdrop.Foreground, (a, b) => Math.Abs(a - b)).Sum(d => (double)d);
        double rim = 2 * Math.PI * Math.Sqrt(area / Math.PI);
        Assert.That(wrong, Is.LessThan(rim));
    }

    /// <summary>Of form alone: the same thing elsewhere, of another size, turned and mirrored, is nearest to itself.</summary>
    [Test]
    public void SubjectsAreRecognisedAmongTwenty()
    {
        const int Count = 30;
        var trials = new DrawingTrials(library, seed: 3);
        int known = 0;
        for (int i = 0; i < Count; i++)
        {
            DrawingTrial trial = trials.Load(i, Side);
            Lineup lineup = trials.LineupOf(i);
            Assert.That(lineup.Subjects, Has.Count.EqualTo(20).And.Unique);
            Assert.That(lineup.Subjects[0], Is.EqualTo(trial.Subject));
            Assert.That(lineup.Subjects.Skip(1).Take(4).Select(s => s.Entry.Name), Is.All.EqualTo(trial.Subject.Entry.Name));
            EmojiPicture real = new EmojiPainter(library).Paint(trial.Subject, [trial.Wanted], Side)[0];
            known += lineup.Recognises(new SubjectView(real.Image, real.Mask), colours: true) ? 1 : 0;
        }

        // By chance one in twenty would be.
        Assert.That(known, Is.GreaterThan(0.9 * Count));
    }

    [Test]
    public void TrialsFollowFromTheirNumbers()
    {
        DrawingTrial trial = new DrawingTrials(library, 5).Load(17, Side);
        DrawingTrial again = new DrawingTrials(EmojiLibrary.Open(library.Folder), 5).Load(17, Side);
        Assert.That(again.Real.Rgb, Is.EqualTo(trial.Real.Rgb));
        Assert.That(again.Prompt, Is.EqualTo(trial.Prompt));
        Assert.That(trial.Prompt, Does.Contain(trial.Wanted.Background));
        Assert.That(trial.Subject.Entry.Split, Is.EqualTo(EmojiSplit.Held));
        Assert.That(trial.References, Has.Count.EqualTo(DrawingTrials.MostReferences));
        Assert.That(trial.References.Select(r => r.Rgb), Has.None.EqualTo(trial.Real.Rgb));
    }

    /// <summary>A picture moved by whole cells correlates with 1, wherever it went; another picture less.</summary>
    [TestCase(0, 0)]
    [TestCase(10, -6)]
    [TestCase(-20, 14)]
    public void ACopyIsFoundWhereverItWent(int dx, int dy)
    {
        EmojiPicture picture = At(0.5, 0.5, 0.5, 0);
        EmojiPicture moved = At(0.5 + dx / (double)Side, 0.5 + dy / (double)Side, 0.5, 0);
        EmojiPicture turned = At(0.5, 0.5, 0.7, 0.4);
        Assert.That(ShiftCorrelation.Largest(picture.Image, picture.Mask, moved.Image), Is.EqualTo(1).Within(1e-6));
        Assert.That(ShiftCorrelation.Largest(picture.Image, picture.Mask, turned.Image), Is.LessThan(0.95));

        EmojiPicture At(double x, double y, double size, double turn) => new EmojiPainter(library).Paint(
            new EmojiSubject(library.Entries[13]),
            [new EmojiLook(9, EmojiPattern.Plain, EmojiPlace.Middle, x, y, size, turn, false, 1, 0, 0, default)],
            Side)[0];
    }

    /// <summary>R's <c>prop.test(correct = FALSE)</c>; for a half 1 / 2 +- z / (2 sqrt(n + z^2)), for none z^2 / (n + z^2).</summary>
    [TestCase(8, 10, 0.4901625, 0.9433178)]
    [TestCase(0, 10, 0, 0.2775328)]
    [TestCase(150, 300, 0.4437795, 0.5562205)]
    public void IntervalsAreWilsons(int hits, int trials, double low, double high)
    {
        var share = new Share(hits, trials);
        Assert.That(share.Low, Is.EqualTo(low).Within(1e-6));
        Assert.That(share.High, Is.EqualTo(high).Within(1e-6));
    }

    [Test]
    public void TheCommandTellsEachRow()
    {
        string results = folder.At("results");
        JsonNode told = JsonNode.Parse(CliRun.Of(
            "trial", library.Folder, "--model", model, "--requests", "2", "--steps", "1", "--photos", "0", "--photos", "2",
            "--guidance", "joint", "--guidance", "text-first", "--image-scale", "1", "--image-scale", "2", "--save", results, "--grid",
            folder.At("grid.png"), "--device", "cpu", "--json").AssertSucceeds())!;
        JsonArray rows = told["rows"]!.AsArray();
        Assert.That(rows, Has.Count.EqualTo(2 * (1 + 2)));
        Assert.That(rows.Select(row => row!["references"]!.GetValue<int>()), Is.EqualTo(new[] { 0, 0, 0, 2, 2, 2 }));
        Assert.That(rows.Select(row => row!["image_scale"]!.GetValue<double>()), Is.EqualTo(new double[] { 0, 1, 2, 0, 1, 2 }));
        Assert.That(rows[0]!["no_copy"], Is.Null, "without references nothing can be copied");
        Assert.That(rows[3]!["no_copy"]!["of"]!.GetValue<int>(), Is.EqualTo(4));
        Assert.That(told["real"]!["identified"]!["of"]!.GetValue<int>(), Is.EqualTo(2));
        Assert.That(Directory.GetFiles(results, "*.png", SearchOption.AllDirectories), Has.Length.EqualTo(12));
        PixelImage grid = ImageReader.Read(folder.At("grid.png"));
        Assert.That(grid.Width / (double)grid.Height, Is.EqualTo((4 + 6) / 2.0));
    }

    [TestCase("--photos 4", 2, "0 to 3 are possible")]
    [TestCase("--photos two", 2, "a number from 0 on is wanted")]
    [TestCase("--requests 0", 2, "1 to 100000 are possible")]
    [TestCase("--guidance both", 1, "unknown guidance 'both'")]
    [TestCase("--model nothing-here", 1, "was not found")]
    public void WhatCannotBeIsALine(string arguments, int code, string message) =>
        CliRun.Of(["trial", library.Folder, "--model", model, .. arguments.Split(' ')]).AssertFails(code, message);

    [Test]
    public void AFolderWithoutDrawingsSaysHowToMakeThem() =>
        CliRun.Of("trial", folder.At("none")).AssertFails(1, "emoji.json: is missing; make it with: jedi-native dataset emoji");
}
