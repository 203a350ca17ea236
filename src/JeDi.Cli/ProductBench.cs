using System.Globalization;
using System.Text.Json;
using JeDi.Cuda;
using JeDi.Cuda.Products;
using JeDi.Files;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Cli;

/// <summary>
/// Times every product of a request that may go to cuBLASLt, by the own kernel and by each algorithm, and writes the table of the fastest.
/// </summary>
sealed class ProductBench(
    Terminal terminal, Checkpoint checkpoint, Device device, SessionShape shape, Precision? precision, CancellationToken stop)
{
    static readonly JsonSerializerOptions indented = new() { WriteIndented = true };

    /// <param name="path">Of the table.</param>
    /// <param name="seconds">For each contender.</param>
    /// <exception cref="UsageException">There is nothing to choose between.</exception>
    public void Write(string path, double seconds)
    {
        if (device is not CudaDevice cuda)
        {
            throw new UsageException($"--products: {device.Name} has one way to compute a product; a GPU is wanted (--device cuda)");
        }

        if (!ProductChoice.HasLibrary)
        {
            throw new UsageException("--products: cuBLASLt is not there, or "
                + $"{ProductChoice.Variable}={ProductChoice.OwnKernels} keeps it out");
        }

        SessionRun run = SessionRun.Resolve(shape, checkpoint, EngineDefaults.Of(checkpoint), new NoiseSchedule(checkpoint.Schedule));
        var times = new List<ProductTimes>();
        var trial = new ProductTrial(cuda);
        Precision types = precision ?? new(DType.F16, DType.BF16);
        IEnumerable<Product> products = ModelLaunches.Of(checkpoint, cuda.Gpu, types, shape.References + 1, run.Width).Products;
        foreach (Product product in products.OrderBy(one => one.ToString(), StringComparer.Ordinal))
        {
            stop.ThrowIfCancellationRequested();
            ProductTimes one = trial.Of(product, seconds);
            times.Add(one);
            terminal.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{product.RowsOfImage} x {product.Columns} x {product.Depth} {product.Type}{(product.Bias ? " bias" : "")}"
                + $"{(product.Residual ? " residual" : "")}: own {Microseconds(one.OwnSeconds)}, cuBLASLt "
                + $"{string.Join(' ', one.LibrarySeconds.Select(Microseconds))} us, "
                + $"by {(one.Fastest < 0 ? "own" : $"algorithm {one.Fastest}")}, they differ by {one.Difference:0.0e+0}"));
        }

        string text = ProductTable.Write(cuda.Gpu.Architecture, ProductChoice.Version, cuda.Name, times).ToJsonString(indented);
        AtomicFile.Write(path, System.Text.Encoding.UTF8.GetBytes(text + "\n"));
    }

    static string Microseconds(double seconds) => (seconds * 1e6).ToString("0.0", CultureInfo.InvariantCulture);
}
