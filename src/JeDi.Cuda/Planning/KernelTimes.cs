using JeDi.Tensors;

namespace JeDi.Cuda.Planning;

/// <summary>
/// Seconds of each operation of a step by the device's clock: all calls of one kind, with the weights and in the memory that they have in
/// the step, one after the other in a graph of their own.
/// </summary>
/// <param name="Call">The operation.</param>
/// <param name="Calls">How often it is in a step.</param>
/// <param name="Launches">Kernels that it takes in a step.</param>
/// <param name="Seconds">Of all its calls together.</param>
sealed record KernelTimes(OpCall Call, int Calls, int Launches, double Seconds)
{
    const int LeastLaunches = 24;
    const int Runs = 5;

    /// <summary>Slowest first.</summary>
    /// <param name="device">Where the step has run before.</param>
    /// <param name="step">Its kernels are watched by <see cref="DescribedKernels"/>.</param>
    public static IReadOnlyList<KernelTimes> Of(CudaDevice device, Action step) =>
    [
        .. device.Rehearse(step).Where(launch => launch.Call is not null).GroupBy(launch => launch.Call!)
            .Select(group => Of(device, group.Key, [.. group]))
            .OrderByDescending(times => times.Seconds),
    ];

    static KernelTimes Of(CudaDevice device, OpCall call, PlannedLaunch[] launches)
    {
        int repeats = Math.Max(1, LeastLaunches / launches.Length);
        using Replay replay = device.Record(() =>
        {
            for (int i = 0; i < repeats; i++)
            {
                foreach (PlannedLaunch launch in launches)
                {
                    device.Launch(launch);
                }
            }
        });
        replay.Run();
        replay.Run();
        double least = double.MaxValue;
        for (int run = 0; run < Runs; run++)
        {
            least = Math.Min(least, device.Seconds(replay.Run));
        }

        int calls = launches.Select(launch => launch.Variant.Kernel).GroupBy(kernel => kernel).Max(group => group.Count());
        return new KernelTimes(call, calls, launches.Length, least / repeats);
    }
}
