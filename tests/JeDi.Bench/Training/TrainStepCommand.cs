using System.Diagnostics;
using System.Globalization;
using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Training;

namespace JeDi.Bench.Training;

/// <summary>
/// A whole step of a U-Net's training with its text encoder: forward, backward, clipping, AdamW, averages, new forms; by operation, beside
/// its taped forward and the sum of its kernels.
/// </summary>
static class TrainStepCommand
{
    const int WarmUp = 12;
    const int LeastSteps = 3;

    public static int Run(string[] options)
    {
        int images = Options.Int(options, "--images", 16);
        double seconds = double.Parse(Options.Value(options, "--seconds") ?? "10", CultureInfo.InvariantCulture);
        string folder = Directory.CreateTempSubdirectory("jedi-bench").FullName;
        try
        {
            using var device = new WatchedDevice(new CpuDevice(Options.Int(options, "--threads", 2)));
            string? model = Options.Value(options, "--model");
            using var trainer = new Trainer(
                device,
                new TrainingOptions
                {
                    Data = ["noise"],
                    From = model ?? "scratch",
                    Preset = Options.Value(options, "--preset") ?? "small",
                    Train = Options.Value(options, "--train") is string parts ? parts.Split(',') : ["unet", "text"],
                    Images = images,
                    Out = folder,
                },
                open: (_, _) => new NoiseSets());
            Console.WriteLine($"{device.Name}: {model ?? "preset"}, {trainer.ParameterCount:#,0} weights, {images} pictures a step");
            Measure(trainer, device.Times, seconds, Options.Int(options, "--top", 30));
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static void Measure(Trainer trainer, StepTimes times, double seconds, int top)
    {
        (double whole, double forward, double kernels, double before, double after) = (double.MaxValue, double.MaxValue, 0, 0, 0);
        long start = Stopwatch.GetTimestamp();
        for (int step = 0; step < WarmUp + LeastSteps || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; step++)
        {
            times.Begin();
            long begun = Stopwatch.GetTimestamp();
            trainer.Advance();
            long ended = Stopwatch.GetTimestamp();
            if (step < WarmUp)
            {
                continue;
            }

            times.End();
            forward = Math.Min(forward, times.Forward);
            double taken = StepTimes.Milliseconds(ended - begun);
            if (taken < whole)
            {
                (whole, kernels, before, after) = (taken, times.Kernels, times.Before(begun), times.After(ended));
            }
        }

        Console.WriteLine(FormattableString.Invariant($"{whole:F1} ms a step, {1000 * trainer.ImagesPerStep / whole:F1} pictures/s; ")
            + FormattableString.Invariant($"{whole / forward:F2} x its taped forward ({forward:F1} ms), ")
            + FormattableString.Invariant($"{whole / (kernels + after):F3} x the sum of its kernels; before the first {before:F2} ms, ")
            + FormattableString.Invariant($"new forms {after:F1} ms"));
        foreach (var group in times.Rows.GroupBy(row => row.Op).OrderByDescending(group => group.Sum(row => row.Milliseconds)))
        {
            Console.WriteLine(FormattableString.Invariant(
                $"{group.Key,-24}{group.Sum(row => row.Calls),5} calls{group.Sum(row => row.Milliseconds),9:F2} ms"));
        }

        foreach ((string op, Shape input, Shape result, int calls, double milliseconds) in times.Rows.Take(top))
        {
            Console.WriteLine(FormattableString.Invariant($"{op,-20}{input,-22} -> {result,-22}{calls,5}{milliseconds,9:F2} ms"));
        }
    }
}
