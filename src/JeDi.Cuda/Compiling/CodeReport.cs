using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace JeDi.Cuda.Compiling;

/// <summary>What ptxas says of a function's machine code.</summary>
/// <param name="Entry">Its name.</param>
/// <param name="Registers">Of a thread.</param>
/// <param name="SpillBytes">Stores and loads of registers that found no room.</param>
/// <param name="StackBytes">Local memory of a thread.</param>
/// <param name="SharedBytes">Static shared memory of a block.</param>
sealed partial record CodeReport(string Entry, int Registers, int SpillBytes, int StackBytes, int SharedBytes)
{
    /// <summary>The functions of a module, out of its compiler's log.</summary>
    public static IReadOnlyList<CodeReport> Of(CompiledKernel kernel)
    {
        var reports = new List<CodeReport>();
        var now = new CodeReport("", 0, 0, 0, 0);
        foreach (string line in Encoding.UTF8.GetString(kernel.Log).Split('\n'))
        {
            if (Compiling().Match(line) is { Success: true } entry)
            {
                now = new CodeReport(entry.Groups[1].Value, 0, 0, 0, 0);
            }
            else if (Frame().Match(line) is { Success: true } frame)
            {
                now = now with { StackBytes = Number(frame, 1), SpillBytes = Number(frame, 2) + Number(frame, 3) };
            }
            else if (Used().Match(line) is { Success: true } used)
            {
                Match shared = Shared().Match(line);
                reports.Add(now with { Registers = Number(used, 1), SharedBytes = shared.Success ? Number(shared, 1) : 0 });
            }
        }

        return reports;
    }

    static int Number(Match match, int group) => int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"Compiling entry function '(\w+)'")]
    private static partial Regex Compiling();

    [GeneratedRegex(@"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")]
    private static partial Regex Frame();

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex Used();

    [GeneratedRegex(@"(\d+) bytes smem")]
    private static partial Regex Shared();
}
