using JeDi.Cuda.Planning;

namespace JeDi.Bench.Roofline;

/// <summary>
/// The least time of a launch: that of the resource which needs the most. Work of a block is bound to its multiprocessor, so the one with
/// the most blocks decides; memory is shared by all. Latencies, and what units lose by waiting for each other, are not in it.
/// </summary>
/// <param name="Seconds">With the step from one node of a graph to the next.</param>
/// <param name="Bound">Which resource.</param>
readonly record struct LaunchEstimate(double Seconds, string Bound)
{
    public static LaunchEstimate Of(PlannedLaunch launch, GpuRates gpu)
    {
        var work = LaunchWork.Of(launch);
        double waves = Math.Ceiling((double)launch.Blocks / gpu.Model.Multiprocessors) / launch.Blocks / gpu.Clock;
        ReadOnlySpan<(double Seconds, string Name)> all =
        [
            (work.TensorFlop * waves / (gpu.TensorFlop * gpu.MmaShare), "tensor cores"),
            (work.Special * waves / GpuRates.Special, "exponentials"),
            (work.Instructions * waves / GpuRates.Issued, "issue"),
            (work.SharedBytes * waves / GpuRates.SharedBytes, "shared memory"),
            (work.MemoryBytes / (gpu.MemoryBytes * GpuRates.MemoryShare), "memory"),
        ];
        (double seconds, string bound) = all[0];
        foreach ((double other, string name) in all)
        {
            if (other > seconds)
            {
                (seconds, bound) = (other, name);
            }
        }

        return new(seconds + GpuRates.Node, seconds < GpuRates.Node ? "launch" : bound);
    }
}
