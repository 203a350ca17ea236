using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace JeDi.Bench;

/// <summary>
/// What a user waits for and what memory it takes, all as processes, the least of several in turn: loading a model's file, in the page
/// cache and dropped from it, beside <c>cat FILE > /dev/null</c>; <c>jedi-native sample</c> from its start to the end of the first step;
/// its peak beside the plan that it prints.
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
        var (read, load) = (new Least(), new Least());
        var (coldRead, coldLoad) = (new Least(), new Least());
        var (first, one, two) = (new Least(), new Least(), new Least());
        (double peak, double planned) = (0, 0);
        string folder = Directory.CreateTempSubdirectory("jedi-start").FullName;
        try
        {
            Read();
            for (int run = 0; run < runs; run++)
            {
                read.Take(Read());
                load.Take(Load());
                Sample(1, one);
                Sample(2, two);
            }

            for (int run = 0; run < runs && PageCache.Drop(model); run++)
            {
                coldRead.Take(Read());
                PageCache.Drop(model);
                coldLoad.Take(Load());
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        double step = two.Seconds - one.Seconds;
        Console.WriteLine($"file in the cache: read {read}, loaded {load} ({load.Seconds / read.Seconds:F2} times)");
        Console.WriteLine(coldRead.Seconds == double.MaxValue ? "file dropped from the cache: not on this system"
            : $"file dropped from the cache: read {coldRead}, loaded {coldLoad} ({coldLoad.Seconds / coldRead.Seconds:F2} times)");
        Console.WriteLine($"{size} x {size} {string.Join(' ', more)}: a step {step:F2} s; start to the end of the first step {first} "
            + $"(three times reading and two steps: {3 * read.Seconds + 2 * step:F2} s), to exit {one}");
        Console.WriteLine($"peak {peak:F0} MB, planned {planned:F0} MB ({peak / planned:F3})");
        return 0;

        double Read() => Seconds("sh", ["-c", "cat \"$0\" > /dev/null", model], _ => { });

        double Load()
        {
            double seconds = 0;
            Seconds(Environment.ProcessPath!, ["load", "--model", model],
                line => seconds = double.Parse(line, CultureInfo.InvariantCulture));
            return seconds;
        }

        void Sample(int steps, Least whole)
        {
            long start = Stopwatch.GetTimestamp();
            whole.Take(Seconds(
                program,
                ["sample", "a red cup", "--model", model, "--width", size, "--height", size, "--seed", "1", "--sampler", "euler",
                    "--steps", $"{steps}", "--verbose", "-o", folder, .. more],
                line =>
                {
                    if (line.Contains("first step", StringComparison.Ordinal))
                    {
                        first.Take(Stopwatch.GetElapsedTime(start).TotalSeconds);
                    }
                    else if (Plan().Match(line) is { Success: true } plan)
                    {
                        planned = double.Parse(plan.Groups[1].Value, CultureInfo.InvariantCulture);
                    }
                },
                bytes => peak = Math.Max(peak, bytes / (double)(1 << 20))));
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
        while (!process.WaitForExit(milliseconds: size is null ? -1 : 10))
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

    [GeneratedRegex(@"memory: (\d+) MB \(")]
    private static partial Regex Plan();

    sealed class Least
    {
        public double Seconds { get; private set; } = double.MaxValue;

        public void Take(double seconds) => Seconds = Math.Min(Seconds, seconds);

        public override string ToString() => $"{Seconds:F2} s";
    }
}
