using JeDi.Cli;
using JeDi.Cli.Output;
using JeDi.Cli.Reporting;
using JeDi.Files.Images;

namespace JeDi.Tests.Cli;

public sealed class OutputTests : FolderFixture
{
    [Test]
    public void NamesCountOnFromWhatIsThere()
    {
        Write("00007-seed3.png", "");
        Write("00009-grid.png", "");
        Write("notes.txt", "");
        Write("99-seed1.png", "");
        OutputFolder folder = OutputFolder.Open(Folder);
        Assert.That((string[])[folder.NextPicture(42), folder.NextPicture(43)], Is.EqualTo(["00010-seed42.png", "00011-seed43.png"]));
    }

    [TestCase("00012-seed7.png", 12)]
    [TestCase("123456-seed7.png", 123456)]
    [TestCase("12-seed7.png", 0)]
    [TestCase("-seed7.png", 0)]
    [TestCase("abcde-seed7.png", 0)]
    [TestCase("99999999999999-seed7.png", 0)]
    [TestCase("+0001-a.png", 0)]
    public void NumberIsWhatStandsBeforeTheDash(string name, int number) => Assert.That(OutputFolder.Number(name), Is.EqualTo(number));

    [Test]
    public void FolderIsMadeAndLeftEmpty()
    {
        OutputFolder.Open(At("a/b"));
        Assert.That(Directory.EnumerateFileSystemEntries(At("a/b")), Is.Empty);
    }

    [Test]
    public void FolderThatIsAFileIsRefused()
    {
        string file = Write("file", "");
        Assert.That(() => OutputFolder.Open(file), Throws.TypeOf<JeDiException>().With.Message.Contains("choose another with --output"));
    }

    /// <summary>Name and text stand apart, also where the name fills its column.</summary>
    [Test]
    public void HelpIsThatOfTheOption()
    {
        CliRun help = CliRun.Of("sample", "--help");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(CliRun.Of("help", "sample").Out, Is.EqualTo(help.Out));
            Assert.That(CliRun.Of("help").Out, Is.EqualTo(CliRun.Of("--help").Out).And.Contains("sample"));
            Assert.That(help.OutLines, Has.Member("  --reference-noise kept|fresh"));
        }
    }

    /// <summary>What this run did not write is written beside, not over.</summary>
    [Test]
    public void FilesOfOthersStay()
    {
        OutputFolder folder = OutputFolder.Open(Folder);
        Write("00001-seed7.png", "picture");
        Write("00001-seed7-preview.png", "preview");
        Write("00003-seed7-grid.png", "grid");
        var files = new SetFiles(folder, ["00001-seed7.png"], promised: false);
        var wishes = new JeDi.Cli.Requests.SampleSettings { Prompt = ["a"], Seed = 7 };
        files.ShowPreviews([Plain(8, 0)]);
        files.ShowPreviews([Plain(8, 1)]);
        Assert.That(File.Exists(At("00001-seed7-preview-2.png")));
        files.RemovePreviews();
        var parameters = new PictureParameters(wishes, 0, new Dictionary<string, string>());
        string path = files.Write(0, Plain(8, 2), parameters);
        files.WriteBeside(0, "grid", Plain(8, 3), "one picture", parameters);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(path, Is.EqualTo(At("00004-seed7.png")));
            Assert.That(Directory.EnumerateFiles(Folder).Select(Path.GetFileName).Order(), Is.EqualTo(
            [
                "00001-seed7-preview.png", "00001-seed7.png", "00003-seed7-grid.png", "00004-seed7-grid.png", "00004-seed7.png",
            ]));
            Assert.That(File.ReadAllText(At("00001-seed7.png")), Is.EqualTo("picture"));
        }
    }

    /// <summary>A full or closed standard error is silent; a standard output that takes nothing is one line.</summary>
    [Test]
    public void FullStreamsEndNoRun()
    {
        var error = new StringWriter { NewLine = "\n" };
        int code = CommandLine.Run(["info"], new GuardedWriter(new FullWriter(), "standard output"), error, CancellationToken.None);
        int silent = CommandLine.Run(["smaple"], TextWriter.Null, new GuardedWriter(new FullWriter()), CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(code, Is.EqualTo(CommandLine.Failure));
            Assert.That(error.ToString(), Is.EqualTo("jedi-native: standard output cannot be written: no space left on device\n"));
            Assert.That(silent, Is.EqualTo(CommandLine.Usage));
        }
    }

    [TestCase(0, "0 s")]
    [TestCase(47.2, "48 s")]
    [TestCase(59.5, "1 min 00 s")]
    [TestCase(185, "3 min 05 s")]
    [TestCase(7620, "2 h 07 min")]
    public void TimeLeftIsShort(double seconds, string text) =>
        Assert.That(RunProgress.Span(TimeSpan.FromSeconds(seconds)), Is.EqualTo(text));

    [Test]
    public void PlainProgressSpeaksEveryTenSeconds()
    {
        var clock = new TestClock();
        var error = new StringWriter { NewLine = "\n" };
        var progress = new RunProgress(new Terminal(TextWriter.Null, error), clock: clock);
        progress.Begin("1 of 2", 40);
        for (int step = 1; step <= 10; step++)
        {
            clock.Seconds += 2;
            progress.Step(step);
        }

        Assert.That(error.ToString().Split('\n'), Is.EqualTo(
        [
            "1 of 2: 5 of 40 steps, 0.50 steps/s, 1 min 10 s left",
            "1 of 2: 10 of 40 steps, 0.50 steps/s, 1 min 00 s left",
            "",
        ]));
    }

    /// <summary>A target whose location i looks at location i of its photo is painted with the photo's own colours.</summary>
    [Test]
    public void TargetTakesThePhotosColours()
    {
        int[] locations = [.. Enumerable.Range(0, 16)];
        var looks = new Correspondence(4, 4, new int[16], locations, new float[16]);
        PixelImage photo = Plain(8, 100);
        PixelImage map = AttentionPicture.Of([photo], photo, looks);
        byte[] photoColours = map.Crop(0, 8, 8, 8).Rgb;
        using (Assert.EnterMultipleScope())
        {
            Assert.That((map.Width, map.Height), Is.EqualTo((16, 16)));
            Assert.That(map.Crop(0, 0, 8, 8).Rgb, Is.EqualTo(photo.Rgb));
            Assert.That(map.Crop(8, 8, 8, 8).Rgb, Is.EqualTo(photoColours));
            Assert.That(photoColours.Chunk(3).Select(rgb => (rgb[0], rgb[1], rgb[2])).Distinct().Count(), Is.EqualTo(16), "a colour each");
        }
    }

    static PixelImage Plain(int size, byte value)
    {
        var pixels = new byte[3 * size * size];
        pixels.AsSpan().Fill(value);
        return new PixelImage(size, size, pixels);
    }

    sealed class FullWriter : TextWriter
    {
        public override System.Text.Encoding Encoding => System.Text.Encoding.UTF8;

        public override void Write(char value) => throw new IOException("no space left on device");
    }

    sealed class TestClock : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
