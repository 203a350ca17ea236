using JeDi.Cuda.Compiling;
using JeDi.Cuda.Planning;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Tests.Cuda;

/// <summary>What would be launched on GPUs that are not here, for Stable Diffusion 1.4 at 512 x 512.</summary>
public sealed class LaunchPlanTests
{
    const int MostLaunches = 600;

    /// <summary>Where the time of a step goes: these may not spill.</summary>
    static readonly string[] hot = ["attention", "conv2d", "gemm"];

    static readonly JeDi.Sampling.Precision precision = new(DType.F16, DType.BF16);

    static IEnumerable<string> Gpus => GpuModel.Known.Select(gpu => gpu.Name);

    /// <summary>A node of a graph costs more than a microsecond.</summary>
    [Test]
    public void AStepHasFewLaunches([ValueSource(nameof(Gpus))] string gpu, [Values(1, 2, 4)] int images)
    {
        ModelLaunches launches = Of(gpu, images);
        TestContext.Out.WriteLine($"{launches.Step.Count} launches a step, {launches.Decoder.Count} to decode");
        Assert.That(launches.Step, Has.Count.InRange(100, MostLaunches));
    }

    /// <summary>All launches are part of an operation, fit into the GPU, and have 1024 threads at most.</summary>
    [TestCaseSource(nameof(Gpus))]
    public void LaunchesFitTheGpu(string name)
    {
        GpuModel gpu = Gpu(name);
        foreach (PlannedLaunch launch in Of(name, 2).All)
        {
            Assert.That(launch.Call, Is.Not.Null, $"{launch.Variant}");
            Assert.That(launch.SharedBytes, Is.LessThanOrEqualTo(gpu.SharedBytesPerBlock), $"{launch.Variant}");
            Assert.That(launch.Threads, Is.InRange(32, 1024), $"{launch.Variant}");
            Assert.That(launch.Grid.Y, Is.LessThan(65536), $"{launch.Variant}");
            Assert.That(launch.Grid.Z, Is.LessThan(65536), $"{launch.Variant}");
        }
    }

    /// <summary>
    /// How the work of one image is cut does not depend on the images beside it: the same kernels with more blocks. Element-wise ones may
    /// take wider vectors, which changes no bit.
    /// </summary>
    [TestCaseSource(nameof(Gpus))]
    public void KernelsDoNotDependOnTheBatch(string gpu)
    {
        string[] summing = [.. hot, "gemm_rows", "gemm_reduce", "conv2d_join", "group_norm", "group_norm_moments", "layer_norm"];
        string[][] variants =
        [
            .. new[] { 1, 2, 4 }.Select(images => Of(gpu, images).Step.Select(launch => launch.Variant)
                .Where(variant => summing.Contains(variant.Kernel.Entry)).Select(variant => $"{variant}").ToArray()),
        ];
        Assert.That(variants[0], Has.Length.GreaterThan(200));
        Assert.That(variants[1], Is.EqualTo(variants[0]));
        Assert.That(variants[2], Is.EqualTo(variants[0]));
    }

    /// <summary>The real compiler's machine code for each architecture: every kernel compiles, and none of the hot ones spills.</summary>
    [TestCaseSource(nameof(Gpus))]
    public void HotKernelsDoNotSpill(string name)
    {
        if (!Compiler.IsThere)
        {
            Assert.Ignore(Compiler.Missing);
        }

        IReadOnlyList<KernelReport> reports = KernelReport.Of(Of(name, 2).All, Gpu(name));
        using (Assert.EnterMultipleScope())
        {
            foreach (KernelReport report in reports)
            {
                Assert.That(report.BlocksAtOnce, Is.Positive, $"{report.Launch.Variant} does not fit a multiprocessor");
                if (hot.Contains(report.Code.Entry))
                {
                    Assert.That(report.Code.SpillBytes, Is.Zero, $"{report.Launch.Variant} spills on {name}");
                }
            }
        }
    }

    /// <summary>Figures of NVIDIA's occupancy tables.</summary>
    [TestCase("A100", 32, 256, 0, 8)]
    [TestCase("A100", 255, 128, 0, 2)]
    [TestCase("A100", 128, 128, 100_000, 1)]
    [TestCase("H100", 168, 128, 0, 3)]
    [TestCase("RTX 4090", 40, 256, 0, 6)]
    [TestCase("RTX 4090", 32, 32, 0, 24)]
    public void BlocksAtOnce(string name, int registers, int threads, int sharedBytes, int blocks) =>
        Assert.That(Gpu(name).BlocksAtOnce(registers, threads, sharedBytes), Is.EqualTo(blocks));

    [Test]
    public void TheCompilersLogIsRead()
    {
        const string Log = """
            ptxas info    : 87 bytes gmem, 192 bytes cmem[4]
            ptxas info    : Compiling entry function 'first' for 'sm_80'
            ptxas info    : Function properties for first
            ptxas         .     16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
            ptxas info    : Used 255 registers, used 1 barriers, 128 bytes smem, 424 bytes cmem[0]
            ptxas info    : Compiling entry function 'second' for 'sm_80'
            ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
            ptxas info    : Used 32 registers, 424 bytes cmem[0]
            """;
        Assert.That(
            CodeReport.Of(new CompiledKernel([], [], System.Text.Encoding.UTF8.GetBytes(Log))),
            Is.EqualTo(new[] { new CodeReport("first", 255, 20, 16, 128), new CodeReport("second", 32, 0, 0, 0) }));
    }

    static GpuModel Gpu(string name) => GpuModel.Known.Single(gpu => gpu.Name == name);

    static ModelLaunches Of(string gpu, int images)
    {
        using Checkpoint checkpoint = Checkpoint.FromRecipe("sd14", 9, DType.F16);
        return ModelLaunches.Of(checkpoint, Gpu(gpu), precision, images, 512);
    }
}
