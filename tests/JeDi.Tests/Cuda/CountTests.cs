using System.Globalization;
using System.Text.Json;
using JeDi.Cuda;
using JeDi.Cuda.Planning;
using JeDi.Tensors;
using JeDi.Tests.Simulator;

namespace JeDi.Tests.Cuda;

/// <summary>
/// What the hot kernels do, counted by the simulator: no bank conflicts, hardly more sectors of memory than the bytes need, and no more
/// instructions of PTX for each mma than now (a third to a half are of integers, most of which ptxas folds into addresses).
/// </summary>
[Category("Target")]
public sealed class CountTests
{
    [SetUp]
    public void NeedsTheSimulator()
    {
        if (Targets.Choice != "sim")
        {
            Assert.Ignore("the simulator counts");
        }
    }

    /// <summary>Reads of shared memory by ldmatrix meet each bank once; instructions for each mma are bounded.</summary>
    [TestCase("attention", 6.2, 1.2)]
    [TestCase("conv2d", 3.2, 1.01)]
    [TestCase("gemm", 3.4, 1.01)]
    public void HotKernelsWasteNothing(string entry, double most, double sectors)
    {
        using CudaDevice device = Targets.Cuda(DType.F16);
        var ops = new Ops(device, new Arena(device), compute: DType.F16);
        Run(device, ops, entry);
        device.Synchronize();
        SimulatorControl.Set("count", "1");
        SimulatorControl.Reset();
        Run(device, ops, entry);
        device.Synchronize();
        SimulatorControl.Set("count", "0");

        JsonElement kernel = SimulatorControl.Report().GetProperty("kernels").EnumerateArray()
            .Single(one => one.GetProperty("kernel").GetString() == entry);
        JsonElement[] sites = [.. kernel.GetProperty("sites").EnumerateArray()];
        TestContext.Out.WriteLine($"{entry}: {kernel.GetProperty("instructions")} instructions, {kernel.GetProperty("pipes")}");
        foreach (JsonElement site in sites.Where(site => Opcode(site).Contains("ldmatrix")))
        {
            Assert.That(Number(site, "units"), Is.EqualTo(Number(site, "ideal")), $"bank conflicts: {site}");
        }

        // Rows of 80 bytes, a head of 40 values, begin in the middle of a sector: 3 or 4 of them where 2.5 would do.
        foreach (JsonElement site in sites.Where(site => Opcode(site).StartsWith("cp.async.c", StringComparison.Ordinal)
            && Opcode(site).Contains("global") && Number(site, "requests") > 0))
        {
            Assert.That(Number(site, "units"), Is.LessThanOrEqualTo(sectors * Number(site, "ideal")), $"sectors: {site}");
        }

        double products = kernel.GetProperty("pipes").EnumerateObject()
            .Where(pipe => pipe.Name.Contains("tensor", StringComparison.OrdinalIgnoreCase)).Sum(pipe => pipe.Value.GetDouble());
        double share = Number(kernel, "instructions") / products;
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{entry}: {share:F2} instructions for each mma"));
        Assert.That(share, Is.InRange(1, most));
    }

    static void Run(CudaDevice device, Ops ops, string entry)
    {
        using ArenaScope scope = ops.Scope();
        switch (entry)
        {
            case "attention":
                Tensor q = Zeros(device, ops, [1, 2048, 80]);
                ops.Attention(q, q, q, 2);
                break;
            case "conv2d":
                Tensor x = Zeros(device, ops, [1, 16, 16, 1280]);
                device.Kernels.Conv2d(
                    ops.New([1, 16, 16, 320], DType.F16), x, Weight(device, ParameterKind.Convolution, [320, 3, 3, 1280]),
                    default, default, default, new ConvGeometry());
                break;
            default:
                // With a result in F32 it is no product of cuBLASLt's.
                Tensor left = Zeros(device, ops, [1, 256, 1280]);
                device.Kernels.Gemm(
                    ops.New([1, 256, 2560], DType.F32), left, Weight(device, ParameterKind.Matrix, [2560, 1280]), default, default,
                    Activation.None);
                break;
        }
    }

    static Tensor Zeros(CudaDevice device, Ops ops, Shape shape)
    {
        Tensor tensor = ops.Arena.New(shape, DType.F16);
        device.Fill(tensor, 0);
        return tensor;
    }

    static Parameter Weight(CudaDevice device, ParameterKind kind, Shape shape) =>
        device.Load("w", kind, shape, DType.F16, new byte[2 * shape.Count]);

    static string Opcode(JsonElement site) => site.GetProperty("opcode").GetString()!;

    static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();
}
