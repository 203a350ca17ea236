using System.Diagnostics;
using System.Globalization;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Bench;

/// <summary>
/// Seconds that opening a model and loading all its networks takes, and nothing else: the first time in a process, with compiling, and the
/// least of some times after it. With --cold each time from the disk.
/// </summary>
static class LoadCommand
{
    public static int Run(string[] options)
    {
        string model = Options.Value(options, "--model") ?? throw new ArgumentException("--model FILE: a model is wanted");
        int runs = Options.Int(options, "--runs", 5);
        bool cold = options.Contains("--cold");
        var how = new EngineOptions
        {
            Device = Options.Value(options, "--device") ?? "cpu",
            DType = Options.Value(options, "--dtype") ?? "auto",
            Threads = Options.Int(options, "--threads", 0),
        };
        double first = Load();
        double least = Enumerable.Range(0, runs).Min(_ => Load());
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{first:F3} {least:F3}"));
        return 0;

        double Load()
        {
            if (cold && !PageCache.Drop(model))
            {
                throw new ArgumentException("--cold: not on this system");
            }

            long start = Stopwatch.GetTimestamp();
            using Checkpoint checkpoint = Checkpoint.Open(model);
            using Device device = Devices.Open(how);
            Networks.Load(device, checkpoint, precision: Devices.PrecisionOf(how, device));
            device.Synchronize();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }
}
