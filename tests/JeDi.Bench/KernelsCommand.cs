using System.Globalization;
using JeDi.Cuda.Compiling;
using JeDi.Cuda.Planning;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Bench;

/// <summary>
/// Compiles every kernel of Stable Diffusion 1.4's size for each architecture, with the real compiler and without a GPU, and prints
/// registers, spills, shared memory and occupancy; writes the machine code into a folder that <c>JEDI_KERNELS</c> may name elsewhere.
/// </summary>
static class KernelsCommand
{
    const int Size = 512;

    public static int Run(string[] options)
    {
        string[] wanted = (Options.Value(options, "--architectures") ?? string.Join(',', GpuModel.Known.Select(gpu => gpu.Architecture)))
            .Split(',');
        GpuModel[] gpus = [.. GpuModel.Known.Where(gpu => wanted.Contains(gpu.Architecture))];
        string? folder = Options.Value(options, "--export");
        using Checkpoint full = Checkpoint.FromRecipe("sd14", 9, DType.F16);
        foreach (GpuModel gpu in gpus)
        {
            PlannedLaunch[] launches =
                [.. new[] { 1, 2 }.SelectMany(images => ModelLaunches.Of(full, gpu, new(DType.F16, DType.BF16), images, Size).All)];
            IReadOnlyList<KernelReport> reports = KernelReport.Of(launches, gpu);
            Print(gpu, reports);
            if (folder is not null)
            {
                Export(folder, gpu, reports);
                IEnumerable<int> sizes =
                    (Options.Value(options, "--sizes") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse);
                Export(folder, gpu, KernelReport.Of(sizes.SelectMany(size => InEveryType(full, gpu, size)), gpu));
                if (Options.Value(options, "--model") is string model)
                {
                    using Checkpoint own = Checkpoint.Open(model);
                    Export(folder, gpu, KernelReport.Of(InEveryType(own, gpu, EngineDefaults.Of(own).Width), gpu));
                }
            }
        }

        if (folder is not null && Options.Value(options, "--also") is string cache)
        {
            ExportCache(cache, folder, Options.Value(options, "--since"));
        }

        return 0;
    }

    /// <summary>Launches of a model, alone and beside a reference, in every choice of types.</summary>
    static IEnumerable<PlannedLaunch> InEveryType(Checkpoint checkpoint, GpuModel gpu, int size)
    {
        Precision[] precisions =
        [
            new(DType.F16, DType.BF16), new(DType.F16, DType.F16), new(DType.BF16, DType.BF16), new(DType.F32, DType.F32),
        ];
        return precisions.SelectMany(precision => new[] { 1, 2 }.SelectMany(images =>
            ModelLaunches.Of(checkpoint, gpu, precision, images, size).All));
    }

    static void Export(string folder, GpuModel gpu, IReadOnlyList<KernelReport> reports)
    {
        foreach (KernelReport report in reports)
        {
            Kernel kernel = report.Launch.Variant.Kernel;
            string[] made = kernel.Options(report.Launch.Variant);
            Write(folder, KernelCache.Key(kernel.Source, made, gpu.Architecture), Compiler.Get(kernel.Source, made, gpu.Architecture));
        }
    }

    /// <summary>Every kernel of a cache that was used since a file was written, e.g. by tests on a simulator.</summary>
    static void ExportCache(string cache, string folder, string? since)
    {
        DateTime from = since is null ? DateTime.MinValue : File.GetLastWriteTimeUtc(since);
        foreach (string path in Directory.GetFiles(cache, "*.kernel").Where(path => File.GetLastWriteTimeUtc(path) >= from))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            if (CompiledKernel.FromFile(File.ReadAllBytes(path)) is CompiledKernel kernel)
            {
                Write(folder, name[..name.LastIndexOf('-')], kernel);
            }
        }
    }

    /// <summary>Without the log, and with the PTX of sm_80 alone: GPUs to come and the simulator want it.</summary>
    static void Write(string folder, string key, CompiledKernel kernel)
    {
        Directory.CreateDirectory(folder);
        bool oldest = key.Contains($"-{GpuModel.Known[0].Architecture}-", StringComparison.Ordinal);
        CompiledKernel lean = kernel with { Ptx = oldest || kernel.Cubin.Length == 0 ? kernel.Ptx : [], Log = [] };
        File.WriteAllBytes(Path.Combine(folder, $"{key}.kernel"), lean.ToFile());
    }

    static void Print(GpuModel gpu, IReadOnlyList<KernelReport> reports)
    {
        Console.WriteLine($"## {gpu.Architecture} ({gpu.Name}), NVRTC {Compiler.Version}: {reports.Count} kernels");
        Console.WriteLine("| kernel | options | registers | spilled bytes | shared bytes | threads | blocks at once | occupancy |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (KernelReport report in reports.OrderBy(report => $"{report.Launch.Variant}", StringComparer.Ordinal))
        {
            PlannedLaunch launch = report.Launch;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {launch.Variant.Kernel} | {launch.Options} | {report.Code.Registers} | {report.Code.SpillBytes} | "
                + $"{launch.SharedBytes + report.Code.SharedBytes} | {launch.Threads} | {report.BlocksAtOnce} | {report.Occupancy:P0} |"));
        }

        Console.WriteLine();
    }
}
