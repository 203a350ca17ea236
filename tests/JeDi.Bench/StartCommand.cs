using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace JeDi.Bench;

/// <summary>
/// What a user waits for and what memory it takes, the least of several in turn, with the file in the page cache and dropped from it:
/// loading it, in a process that has loaded it before, beside <c>cat FILE > /dev/null</c>; <c>jedi-native sample</c> from opening it until
/// all weights are there, compiling and the first prompt included; from its start to the end of the first step; its peak beside the plan
/// that it prints.
/// </summary>
static partial class StartCommand
{
    public static int Run(string[] options)
    {
        string program = Options.Value(options, "--program") ?? "jedi-native";
        string model = Options.Value(options, "--model")
            ?? throw new ArgumentException("--model FILE: a single safetensors file is wanted");
        string size = Options.Value(options, "--size") ?? "256";
        int runs = Options.Int(options, "--runs", 5);
        string[] more = (Options.Value(options, "--options") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var (read, coldRead) = (new Least(), new Least());
        var (load, coldLoad) = (new Least(), new Least());
        var (warm, cold) = (new Times(), new Times());
        var (afterOne, afterFive) = (new Least(), new Least());
        (double peak, double planned) = (0, 0);
        string folder = Directory.CreateTempSubdirectory("jedi-start").FullName;
        try
        {
            Read();
            for (int run = 0; run < runs; run++)
            {
                read.Take(Read());
                load.Take(Load());
                Sample(1, warm, afterOne);
                Sample(5, warm, afterFive);
            }

            for (int run = 0; run < runs && PageCache.Drop(model); run++)
            {
                coldRead.Take(Read());
                coldLoad.Take(Load("--cold"));
                PageCache.Drop(model);
                Sample(1, cold, new Least());
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        double step = (afterFive.Seconds - afterOne.Seconds) / 4;
        Console.WriteLine($"file in the cache: {Beside(read, load, warm)}");
        Console.WriteLine($"file dropped from it: "
            + $"{(coldRead.Seconds == double.MaxValue ? "not on this system" : Beside(coldRead, coldLoad, cold))}");
        Console.WriteLine($"{size} x {size} {string.Join(' ', more)}: a step {step:F2} s; start to the end of the first step {warm.First} "
            + $"(three times reading and two steps: {3 * read.Seconds + 2 * step:F2} s), to exit {warm.Exit}");
        Console.WriteLine($"peak {peak:F0} MB, planned {planned:F0} MB ({peak / planned:F3})");
        return 0;

        double Read() => Seconds("sh", ["-c", "cat \"$0\" > /dev/null", model], _ => { });

        string Beside(Least read, Least load, Times sample) =>
            $"read {read}; loaded {load} ({load.Seconds / read.Seconds:F2} times); by the program, from opening it, {sample.Loaded}";

        double Load(params string[] how)
        {
            double seconds = 0;
            Seconds(
                Environment.ProcessPath!,
                ["load", "--model", model, "--runs", "3", .. how],
                line => seconds = double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture));
            return seconds;
        }

        // After its first step a process has all of its memory: the rest tells the time of a step.
        void Sample(int steps, Times times, Least rest)
        {
            long start = Stopwatch.GetTimestamp();
            double end = 0;
            double seconds = Seconds(
                program,
                ["sample", "a red cup", "--model", model, "--width", size, "--height", size, "--seed", "1", "--sampler", "euler",
                    "--steps", $"{steps}", "--verbose", "-o", folder, .. more],
                line =>
                {
                    if (line.Contains("first step", StringComparison.Ordinal))
                    {
                        times.First.Take(end = Stopwatch.GetElapsedTime(start).TotalSeconds);
                    }
                    else if (Loaded().Match(line) is { Success: true } loaded)
                    {
                        times.Loaded.Take(double.Parse(loaded.Groups[1].Value, CultureInfo.InvariantCulture));
                    }
                    else if (Plan().Match(line) is { Success: true } plan)
                    {
                        planned = double.Parse(plan.Groups[1].Value, CultureInfo.InvariantCulture);
                    }
                },
                bytes => peak = Math.Max(peak, bytes / (double)(1 << 20)));
            rest.Take(seconds - end);
            if (steps == 1)
            {
                times.Exit.Take(seconds);
            }
        }
    }

    /// <summary>Seconds from a process's start to its exit; its lines, of errors too, and its largest size as they come.</summary>
    static double Seconds(string program, string[] arguments, Action<string> line, Action<long>? size = null)
    {
        long start = Stopwatch.GetTimestamp();
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true },
        };
        process.OutputDataReceived += (_, data) => Tell(data.Data);
        process.ErrorDataReceived += (_, data) => Tell(data.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        // Seldom: to ask takes time from the process that is measured, and the largest size stays.
        while (!process.WaitForExit(milliseconds: size is null ? -1 : 100))
        {
            process.Refresh();
            size?.Invoke(process.HasExited ? 0 : process.PeakWorkingSet64);
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        process.WaitForExit();
        return process.ExitCode == 0 ? seconds : throw new InvalidOperationException($"{program} ended with {process.ExitCode}");

        void Tell(string? text)
        {
            if (text is not null)
            {
                line(text);
            }
        }
    }

    [GeneratedRegex(@"loaded in ([0-9.]+) s")]
    private static partial Regex Loaded();

    [GeneratedRegex(@"memory: (\d+) MB \(")]
    private static partial Regex Plan();

    /// <summary>Of the command: until all weights are there, the first step has ended, it has.</summary>
    sealed record Times
    {
        public Least Loaded { get; } = new();

        public Least First { get; } = new();

        public Least Exit { get; } = new();
    }

    sealed class Least
    {
        public double Seconds { get; private set; } = double.MaxValue;

        public void Take(double seconds) => Seconds = Math.Min(Seconds, seconds);

        public override string ToString() => $"{Seconds:F2} s";
    }
}
