using System.Diagnostics;
using System.Globalization;
using JeDi.Cpu;
using JeDi.Models;
using JeDi.Sampling;

namespace JeDi.Bench;

/// <summary>Seconds that a process takes to open a model and load all its networks; nothing else.</summary>
static class LoadCommand
{
    public static int Run(string[] options)
    {
        string model = Options.Value(options, "--model") ?? throw new ArgumentException("--model FILE: a model is wanted");
        long start = Stopwatch.GetTimestamp();
        using Checkpoint checkpoint = Checkpoint.Open(model);
        using var device = new CpuDevice(Options.Int(options, "--threads", 0));
        Networks.Load(device, checkpoint);
        Console.WriteLine(Stopwatch.GetElapsedTime(start).TotalSeconds.ToString("F3", CultureInfo.InvariantCulture));
        return 0;
    }
}
