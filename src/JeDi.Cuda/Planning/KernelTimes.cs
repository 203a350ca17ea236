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

    /// <summary>Seconds that tell enough: of one run, and of all (a simulator takes its time).</summary>
    const double LongRun = 1e-3;
    const double LongRuns = 0.1;

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
        int repeats = device.Seconds(() => Launch(1)) > LongRun ? 1 : Math.Max(1, LeastLaunches / launches.Length);
        using Replay replay = device.Record(() => Launch(repeats));
        replay.Run();
        replay.Run();
        double least = double.MaxValue;
        double spent = 0;
        for (int run = 0; run < Runs && spent < LongRuns; run++)
        {
            double seconds = device.Seconds(replay.Run);
            least = Math.Min(least, seconds);
            spent += seconds;
        }

        int calls = launches.Select(launch => launch.Variant.Kernel).GroupBy(kernel => kernel).Max(group => group.Count());
        return new KernelTimes(call, calls, launches.Length, least / repeats);

        void Launch(int times)
        {
            for (int i = 0; i < times; i++)
            {
                foreach (PlannedLaunch launch in launches)
                {
                    device.Launch(launch);
                }
            }
        }
    }
}
