using System.Diagnostics;

namespace JeDi.Bench;

/// <summary>
/// What a user waits for, as processes: <c>jedi-native sample</c> of one step and of two, from start to exit, beside reading the model's
/// file once, and the most memory that it took. The least of several runs each, in turn.
/// </summary>
static class StartCommand
{
    public static int Run(string[] options)
    {
        string program = Options.Value(options, "--program") ?? "jedi-native";
        string model = Options.Value(options, "--model")
            ?? throw new ArgumentException("--model FILE: a single safetensors file is wanted");
        string size = Options.Value(options, "--size") ?? "256";
        int runs = Options.Int(options, "--runs", 5);
        string[] more = (Options.Value(options, "--options") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string folder = Directory.CreateTempSubdirectory("jedi-start").FullName;
        (double read, double one, double two) = (double.MaxValue, double.MaxValue, double.MaxValue);
        long peak = 0;
        try
        {
            for (int run = 0; run < runs; run++)
            {
                read = Math.Min(read, Read(model));
                one = Math.Min(one, Sample("1"));
                two = Math.Min(two, Sample("2"));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        Console.WriteLine($"{size} x {size}, {string.Join(' ', more)}: file read once {read:F2} s; start to exit with 1 step {one:F2} s, "
            + $"with 2 steps {two:F2} s, so a step takes {two - one:F2} s; peak {peak >> 20} MB (least of {runs})");
        return 0;

        double Sample(string steps)
        {
            long start = Stopwatch.GetTimestamp();
            using Process process = Process.Start(program,
                ["sample", "a red cup", "--model", model, "--width", size, "--height", size, "--seed", "1", "--sampler", "euler",
                    "--steps", steps, "--quiet", "-o", folder, .. more]);
            while (!process.WaitForExit(milliseconds: 20))
            {
                process.Refresh();
                peak = Math.Max(peak, process.HasExited ? 0 : process.PeakWorkingSet64);
            }

            return process.ExitCode == 0 ? Stopwatch.GetElapsedTime(start).TotalSeconds
                : throw new InvalidOperationException($"{program} ended with {process.ExitCode}");
        }
    }

    /// <summary>Seconds that one thread takes to read the file into one buffer, as <c>cat FILE > /dev/null</c> does.</summary>
    static double Read(string path)
    {
        long start = Stopwatch.GetTimestamp();
        using var file = File.OpenHandle(path);
        var buffer = new byte[1 << 17];
        for (long at = 0; RandomAccess.Read(file, buffer, at) is int got and > 0;)
        {
            at += got;
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
