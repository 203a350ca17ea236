using JeDi.Cuda.Compiling;

namespace JeDi.Cuda.Planning;

/// <summary>A kernel as one GPU gets it: its machine code and how much of it runs at once.</summary>
/// <param name="Launch">One launch of it, the one with the most shared memory.</param>
/// <param name="Code">What its compiler says.</param>
/// <param name="BlocksAtOnce">Blocks on a multiprocessor.</param>
/// <param name="Occupancy">Share of the warps that a multiprocessor could hold.</param>
sealed record KernelReport(PlannedLaunch Launch, CodeReport Code, int BlocksAtOnce, double Occupancy)
{
    /// <summary>Compiles what the launches need, on all processors, and reports each variant once.</summary>
    /// <exception cref="CudaException">NVRTC is missing, or a source does not compile.</exception>
    public static IReadOnlyList<KernelReport> Of(IEnumerable<PlannedLaunch> launches, GpuModel gpu) =>
    [
        .. launches.GroupBy(launch => launch.Variant)
            .Select(group => group.MaxBy(launch => launch.SharedBytes)!)
            .AsParallel().AsOrdered()
            .Select(launch => Of(launch, gpu)),
    ];

    static KernelReport Of(PlannedLaunch launch, GpuModel gpu)
    {
        Kernel kernel = launch.Variant.Kernel;
        CompiledKernel made = Compiler.Get(kernel.Source, kernel.Options(launch.Variant), gpu.Architecture);
        CodeReport code = CodeReport.Of(made).FirstOrDefault(code => code.Entry == kernel.Entry)
            ?? throw new CudaException($"{launch.Variant} for {gpu.Architecture}: the compiler's log says nothing of {kernel.Entry}");
        int blocks = gpu.BlocksAtOnce(code.Registers, launch.Threads, launch.SharedBytes + code.SharedBytes);
        return new KernelReport(launch, code, blocks, blocks * launch.Threads / 32.0 / gpu.MostWarps);
    }
}
