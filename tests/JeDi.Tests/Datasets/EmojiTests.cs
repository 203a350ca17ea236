using JeDi.Datasets.Emoji;
using JeDi.Files;
using JeDi.Files.Sets;
using JeDi.Tests.Cli;

namespace JeDi.Tests.Datasets;

/// <summary>Sets of drawings, made of a few drawings that stand here.</summary>
public sealed class EmojiTests : FolderFixture
{
    const int Names = 40;
    const int Side = 64;

    /// <summary>Every twentieth name is held out whole, and of every tenth name the drawing of one designer.</summary>
    [Test]
    public void NoHeldDrawingIsLearntFrom()
    {
        EmojiLibrary library = Library();
        Assert.That(library.LeftOut, Is.EqualTo(new[] { "noto/thing-07" }), "an empty drawing is named and left out");
        IReadOnlyList<EmojiEntry> held = library.Of(EmojiSplit.Held);
        var train = library.Of(EmojiSplit.Train).ToHashSet();
        Assert.That(held.Where(train.Contains), Is.Empty);
        Assert.That(held.Where(e => e.NameHeld).Select(e => e.Name).Distinct(), Is.EqualTo(new[] { "thing-00", "thing-20" }));
        Assert.That(train.Where(e => e.Name is "thing-00" or "thing-20"), Is.Empty);
        Assert.That(held.Count(e => !e.NameHeld), Is.EqualTo(Names / 10));
        Assert.That(held.Where(e => !e.NameHeld).Select(e => e.Designer).Distinct().Count(), Is.EqualTo(4));
    }

    [Test]
    public void SetsFollowFromTheirNumbers()
    {
        EmojiLibrary library = Library();
        var sets = new EmojiSets(library, EmojiSplit.Train, 100, 3, seed: 5);
        ImageSet once = sets.Load(17, Side);
        ImageSet again = new EmojiSets(EmojiLibrary.Open(library.Folder), EmojiSplit.Train, 100, 3, seed: 5).Load(17, Side);
        Assert.That(once.Captions, Is.EqualTo(again.Captions));
        Assert.That(once.Images.Select(image => image.Rgb), Is.EqualTo(again.Images.Select(image => image.Rgb)));
        Assert.That(sets.Load(18, Side).Images[0].Rgb, Is.Not.EqualTo(once.Images[0].Rgb));
        ImageSet other = new EmojiSets(library, EmojiSplit.Train, 100, 3, seed: 6).Load(17, Side);
        Assert.That(other.Images[0].Rgb, Is.Not.EqualTo(once.Images[0].Rgb));
    }

    /// <summary>Away from the subject a plain background has the caption's colour; the subject lies where its look says.</summary>
    [Test]
    public void PicturesShowWhatTheirCaptionsSay()
    {
        EmojiLibrary library = Library();
        var painter = new EmojiPainter(library);
        EmojiLook look = new(4, EmojiPattern.Plain, EmojiPlace.Left, 0.3, 0.6, 0.5, 0, false, 0.25, 0, 0, default);
        EmojiPicture picture = painter.Paint(new EmojiSubject(library.Entries[0]), [look], Side)[0];
        Assert.That(look.Caption("red-apple"), Is.EqualTo("a red apple on a plain blue background, on the left"));
        (_, int r, int g, int b) = EmojiLook.Colours[4];
        Assert.That(picture.Image.Rgb[..3], Is.EqualTo(new[] { (byte)r, (byte)g, (byte)b }));

        // The drawing is a disc that fills its square: its middle of gravity is the look's, and its area that of a circle.
        double area = picture.Mask.Sum(m => (double)m);
        double x = picture.Mask.Select((m, i) => m * (i % Side + 0.5)).Sum() / area / Side;
        double y = picture.Mask.Select((m, i) => m * (i / Side + 0.5)).Sum() / area / Side;
        Assert.That(x, Is.EqualTo(look.X).Within(0.01));
        Assert.That(y, Is.EqualTo(look.Y).Within(0.01));
        Assert.That(area / (Side * Side), Is.EqualTo(Math.PI / 4 * look.Size * look.Size).Within(0.01));
    }

    /// <summary>A full turn of the hue changes nothing but roundings; half a turn of red is not red.</summary>
    [Test]
    public void RecolouringTurnsTheHue()
    {
        EmojiLibrary library = Library();
        EmojiEntry disc = library.Entries[0];
        byte[] plain = Middle(new EmojiSubject(disc));
        byte[] full = Middle(new EmojiSubject(disc, 2 * Math.PI, 1));
        byte[] half = Middle(new EmojiSubject(disc, Math.PI, 1));
        Assert.That(plain.Zip(full, (a, b) => Math.Abs(a - b)).Max(), Is.LessThanOrEqualTo(2));
        Assert.That(plain[0], Is.GreaterThan(200));
        Assert.That(half[0], Is.LessThan(half[1]));

        byte[] Middle(EmojiSubject subject)
        {
            EmojiLook look = new(0, EmojiPattern.Plain, EmojiPlace.Middle, 0.5, 0.5, 0.8, 0, false, 0.25, 0, 0, default);
            byte[] rgb = new EmojiPainter(library).Paint(subject, [look], Side)[0].Image.Rgb;
            return rgb[(3 * (Side / 2 * Side + Side / 2))..][..3];
        }
    }

    [Test]
    public void MissingPackagesNameTheCommandThatGetsThem()
    {
        CliRun run = CliRun.Of("dataset", "emoji", "--to", Folder);
        Assert.That(run.Code, Is.EqualTo(1));
        Assert.That(run.Error, Does.Contain("is missing; get the drawings with: npm install").And.Contain("@iconify-json/noto"));
        Assert.That(run.Error.Trim().Split('\n'), Has.Length.EqualTo(1));
    }

    [Test]
    public void ADamagedPackageIsNamed()
    {
        Packages();
        File.WriteAllText(Path.Combine(Folder, "node_modules", "@iconify-json", "twemoji", "icons.json"), "{");
        Assert.That(() => EmojiLibrary.Render(Folder, Folder, (_, _) => { }), Throws.TypeOf<FileException>()
            .With.Message.Contains("twemoji").And.Message.Contains("is damaged"));
        Assert.That(EmojiLibrary.IsAt(Folder), Is.False);
    }

    EmojiLibrary Library()
    {
        Packages();
        return EmojiLibrary.Render(Folder, Folder, (_, _) => { });
    }

    /// <summary>Discs, each name in a red of its own; one of noto's is empty.</summary>
    void Packages() => TestDrawings.WritePackages(Folder, Names, (designer, i) => designer.Package == "noto" && i == 7
        ? ""
        : $"<circle cx='16' cy='16' r='16' fill='rgb({215 + i},{i},{2 * i})'/>");
}
