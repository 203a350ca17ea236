using System.Diagnostics;

namespace JeDi.Tests.Simulator;

/// <summary>
/// The simulator's own tests (kernels/simulator/tests), a C++ program that tells a line for each: here each is a test case, at both
/// levels of
/// vector instructions. Skipped where it is not built or has no compiler of CUDA.
/// </summary>
public sealed class SimulatorTests
{
    const string Levels = "JEDISIM_LEVEL";
    static readonly string program = Path.Combine(Repository.Root, "out", "simulator", "jedisim-tests");

    /// <summary>What the program said of each of its tests, by level; it runs once.</summary>
    static readonly Dictionary<string, Lazy<Dictionary<string, string>>> results = new()
    {
        ["avx2"] = new(() => Run("avx2")),
        ["avx512"] = new(() => Run("avx512")),
    };

    [TestCaseSource(nameof(Names))]
    public void Of(string name, string level)
    {
        if (level == "avx512" && !System.Runtime.Intrinsics.X86.Avx512BW.IsSupported)
        {
            Assert.Ignore("this processor has no AVX-512");
        }

        string line = results[level].Value.GetValueOrDefault(name) ?? "failed: the program ended before it";
        if (line.StartsWith("skipped", StringComparison.Ordinal))
        {
            Assert.Ignore(line);
        }

        Assert.That(line, Does.StartWith("passed"));
    }

    static IEnumerable<TestCaseData> Names()
    {
        if (!File.Exists(program))
        {
            string why = Environment.GetEnvironmentVariable("JEDI_SIMULATOR_MISSING") is { Length: > 0 } reason
                ? reason
                : "it is not built; kernels/simulator/build does that";
            return [new TestCaseData("all", "avx2").Ignore(why)];
        }

        return Output("avx2", "--list").SelectMany(name => results.Keys.Select(level => new TestCaseData(name, level)));
    }

    static Dictionary<string, string> Run(string level) => Output(level)
        .Select(line => line.Split([' ', ':'], 3))
        .Where(words => words.Length > 1 && words[0] is "passed" or "failed" or "skipped")
        .ToDictionary(words => words[1], words => string.Join(' ', words));

    static string[] Output(string level, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[Levels] = level;
        using Process process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
