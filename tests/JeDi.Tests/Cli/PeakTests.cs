using System.Globalization;
using System.Text.RegularExpressions;

namespace JeDi.Tests.Cli;

/// <summary>What <c>sample</c> says that it will take, beside what the system counts for its process.</summary>
public sealed partial class PeakTests : FolderFixture
{
    const double Within = 0.05;

    [Test]
    public void ThePlanIsWhatTheProcessTakes([Values] bool lowMemory)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("the peak of a process is read from /proc");
        }

        // Large enough that pictures outweigh the program.
        using var run = new CommandProcess(
        [
            "sample", "a dog", "--model", Repository.Find("tests/trial/tiny-jedi"), "--device", "cpu", "--threads", "2",
            "--reference", Repository.Find("tests/trial/one-reference-ref0.png"), "--width", "832", "--height", "832",
            "--vae-tiling", "off", "--steps", "1", "-o", Folder,
            .. lowMemory ? ["--low-memory"] : Array.Empty<string>(),
        ]);
        long peak = 0;
        run.Await(() =>
        {
            peak = Math.Max(peak, run.PeakBytes);
            return false;
        });
        Assert.That(run.Wait(), Is.Zero, string.Join('\n', run.Lines));
        string words = run.Lines.Single(line => line.StartsWith("memory:", StringComparison.Ordinal));
        double planned = double.Parse(Megabytes().Match(words).Value, CultureInfo.InvariantCulture);
        double taken = peak / (double)(1 << 20);
        TestContext.Out.WriteLine($"{words}; taken {taken:0} MB, {taken / planned:0.000} of it");
        Assert.That(taken / planned, Is.EqualTo(1).Within(Within));
    }

    [GeneratedRegex(@"\d+")]
    private static partial Regex Megabytes();
}
