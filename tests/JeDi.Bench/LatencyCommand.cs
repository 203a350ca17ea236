using System.Diagnostics;

namespace JeDi.Bench;

/// <summary>Seconds from the start of <c>jedi-native sample</c> to its picture, with the model that ships.</summary>
static class LatencyCommand
{
    public static int Run(string[] options)
    {
        string program = Options.Value(options, "--program") ?? "jedi-native";
        int runs = Options.Int(options, "--runs", 5);
        string steps = Options.Value(options, "--steps") ?? "20";
        string folder = Directory.CreateTempSubdirectory("jedi-latency").FullName;
        double least = double.MaxValue;
        try
        {
            for (int run = 0; run < runs; run++)
            {
                long start = Stopwatch.GetTimestamp();
                using var process = Process.Start(program,
                    ["sample", "a red cup", "--seed", "1", "--steps", steps, "--quiet", "-o", folder]);
                process.WaitForExit();
                if (process.ExitCode != 0)
                {
                    return process.ExitCode;
                }

                least = Math.Min(least, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        Console.WriteLine($"process start to picture, shipped model, {steps} steps: {least:F2} s (least of {runs})");
        return 0;
    }
}
