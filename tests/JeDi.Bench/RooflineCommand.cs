using System.Globalization;
using JeDi.Bench.Roofline;
using JeDi.Cuda.Planning;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Bench;

/// <summary>
/// An estimate, from counts and shapes, of a denoising step of Stable Diffusion 1.4 (F16, joint guidance) on GPUs that are not here: the
/// time that the slowest resource of each launch needs. It is a bound from below, no measurement.
/// </summary>
static class RooflineCommand
{
    public static int Run(string[] options)
    {
        int size = Options.Int(options, "--size", 512);
        string? only = Options.Value(options, "--gpu");
        int images = Options.Int(options, "--images", 0);
        using Checkpoint checkpoint = Checkpoint.FromRecipe("sd14", 9, DType.F16);
        double hopper = GpuRates.Known.Single(gpu => gpu.Model.Name == "H100").MmaShare;
        Write($"An estimate, no measurement: sd14, {size} x {size}, F16, joint guidance. Each launch takes as long as its slowest");
        Write($"resource (mma.sync at {100 * hopper:F0} % of a Hopper tensor core, memory at {100 * GpuRates.MemoryShare:F0} %,");
        Write($"whole blocks on multiprocessors), and {GpuRates.Node * 1e6:F1} us from one node of a graph to the next.");
        foreach (GpuRates gpu in GpuRates.Known.Where(gpu => only is null || gpu.Model.Name == only))
        {
            foreach (int count in images > 0 ? [images] : new[] { 1, 2, 4 })
            {
                Print(gpu, count, ModelLaunches.Of(checkpoint, gpu.Model, new(DType.F16, DType.BF16), count, size));
            }
        }

        return 0;
    }

    static void Print(GpuRates gpu, int images, ModelLaunches launches)
    {
        (PlannedLaunch Launch, LaunchEstimate Estimate)[] all =
            [.. launches.Step.Select(launch => (launch, LaunchEstimate.Of(launch, gpu)))];
        double total = all.Sum(one => one.Estimate.Seconds);
        double decode = launches.Decoder.Sum(launch => LaunchEstimate.Of(launch, gpu).Seconds);
        Console.WriteLine();
        Write($"## {gpu.Model.Name}, N = {images}: {total * 1e3:F2} ms a step, {all.Length} launches; decoding {decode * 1e3:F1} ms");
        Console.WriteLine("| kernel | launches | ms | percent | bound by |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach (var kind in all.GroupBy(one => one.Launch.Variant.Kernel.Entry).OrderByDescending(kind => Seconds(kind)))
        {
            double seconds = Seconds(kind);
            Write($"| {kind.Key} | {kind.Count()} | {seconds * 1e3:F3} | {100 * seconds / total:F0} | {Bounds(kind)} |");
        }

        Console.WriteLine();
        Console.WriteLine("| the slowest | launches | us each | bound by |");
        Console.WriteLine("|---|---|---|---|");
        var calls = all.GroupBy(one => (one.Launch.Call, one.Launch.Variant.Kernel.Entry)).OrderByDescending(call => Seconds(call));
        foreach (var call in calls.Take(12))
        {
            Write($"| {call.Key.Entry}: {call.Key.Call} | {call.Count()} | {Seconds(call) * 1e6 / call.Count():F1} | {Bounds(call)} |");
        }
    }

    static double Seconds(IEnumerable<(PlannedLaunch Launch, LaunchEstimate Estimate)> some) => some.Sum(one => one.Estimate.Seconds);

    /// <summary>Resources by the share of the time that they decide.</summary>
    static string Bounds(IEnumerable<(PlannedLaunch Launch, LaunchEstimate Estimate)> some)
    {
        double total = Seconds(some);
        return string.Join(", ", some.GroupBy(one => one.Estimate.Bound)
            .Select(group => (group.Key, Share: Seconds(group) / total))
            .Where(bound => bound.Share > 0.05)
            .OrderByDescending(bound => bound.Share)
            .Select(bound => string.Create(CultureInfo.InvariantCulture, $"{bound.Key} {100 * bound.Share:F0} %")));
    }

    static void Write(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
