using System.Text.Json.Nodes;

namespace JeDi.Tests.Cli;

/// <summary><c>bench</c> measures every part; what the numbers are is the machine's affair.</summary>
public sealed class BenchTests
{
    [Test]
    public void EveryPartIsMeasured()
    {
        CliRun run = CliRun.Of("bench", "--seconds", "0", "--steps", "2", "--json");
        Assert.That(run.Code, Is.Zero, run.Error);
        JsonNode report = JsonNode.Parse(run.Out)!;
        string[] positive =
        [
            "load_seconds", "text_seconds", "encode_seconds", "step_seconds", "decode_seconds", "request_seconds",
            "weight_bytes", "arena_bytes", "peak_process_bytes",
        ];
        JsonArray kernels = report["kernels"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(positive.Where(name => (double)report[name]! <= 0), Is.Empty);
            Assert.That((double)report["step_over_kernels"]!, Is.GreaterThanOrEqualTo(1));
            Assert.That(kernels.Select(row => (string?)row!["op"]), Has.Member("Gemm").And.Member("Conv2d").And.Member("Attention"));
            Assert.That(kernels.Select(row => (double)row!["ms"]!), Is.Ordered.Descending);
        }
    }

    [Test]
    public void TableListsTheSlowestKernels()
    {
        CliRun run = CliRun.Of("bench", "--seconds", "0", "--steps", "1", "--references", "0", "--top", "3");
        string[] table = [.. run.OutLines.SkipWhile(line => !line.StartsWith("op ", StringComparison.Ordinal))];
        Assert.That(table, Has.Length.EqualTo(4), run.Error);
    }

    [TestCase("--references 17: 0 to 16 is wanted", "--references", "17")]
    [TestCase("--recipe foo: unknown; there are tiny, small, sd14", "--recipe", "foo")]
    [TestCase("--seconds 1E+300: 0 to 86400 is wanted", "--seconds", "1e300")]
    [TestCase("--seconds -1: 0 to 86400 is wanted", "--seconds", "-1")]
    [TestCase("--top -1: 0 to 10000 is wanted", "--top", "-1")]
    [TestCase("--width 100: not a multiple of 64", "--width", "100")]
    [TestCase("--recipe and --model: give one of them", "--recipe", "tiny", "--model", "tiny-jedi")]
    public void WrongOptionsAreNamed(string message, params string[] options) => CliRun.Of(["bench", .. options]).AssertFails(2, message);
}
