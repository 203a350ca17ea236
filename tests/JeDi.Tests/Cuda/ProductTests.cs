using System.Text.Json.Nodes;
using JeDi.Cuda;
using JeDi.Cuda.Products;
using JeDi.Tensors;
using JeDi.Tests.Cli;

namespace JeDi.Tests.Cuda;

/// <summary>Products by own kernel and by each of cuBLASLt's algorithms: how they are measured, and the table of that.</summary>
[Category("Target")]
public sealed class ProductTests : FolderFixture
{
    [SetUp]
    public void NeedsADevice()
    {
        if (Targets.OnCpu)
        {
            Assert.Ignore("the CPU has one way to compute a product");
        }
    }

    /// <summary>
    /// Every algorithm is run, and gives the own kernel's numbers: both add in single precision and round once, to 2^-8 of a number in BF16
    /// and 2^-11 in F16, which may fall to either side.
    /// </summary>
    [TestCase(DType.F16, 1.0 / 1024)]
    [TestCase(DType.BF16, 1.0 / 128)]
    public void EveryAlgorithmIsTimedAndRight(DType type, double unit)
    {
        using CudaDevice device = Targets.Cuda(type);
        foreach ((bool bias, bool residual) in new[] { (false, false), (true, true) })
        {
            ProductTimes times = new ProductTrial(device).Of(new Product(72, 72, 136, 160, type, bias, residual), seconds: 0);
            Assert.That(times.Product.Rows, Is.EqualTo(72 * ProductChoice.ReferenceImages(72)));
            Assert.That(times.OwnSeconds, Is.GreaterThan(0));
            Assert.That(times.LibrarySeconds, Is.Not.Empty.And.All.GreaterThan(0));
            Assert.That(times.LibrarySeconds.Length, Targets.Choice == "sim" ? Is.EqualTo(3) : Is.GreaterThan(0));
            Assert.That(times.Difference, Is.LessThanOrEqualTo(unit));
        }
    }

    /// <summary>The command measures what a step of the model computes, and what it writes is read as it was measured.</summary>
    [Test]
    public void TheCommandWritesATableThatIsRead()
    {
        string device = Targets.Choice == "sim" ? "sim" : "cuda";
        CliRun run = CliRun.Of(
            "bench", "--recipe", "small", "--width", "128", "--height", "128", "--references", "0", "--seconds", "0", "--device", device,
            "--products", At("table.json"));
        Assert.That(run.Code, Is.Zero, run.Error);
        ProductTable table = ProductTable.Read(At("table.json"));
        JsonArray rows = JsonNode.Parse(File.ReadAllText(At("table.json")))!["products"]!.AsArray();
        Assert.That(rows, Is.Not.Empty);
        Assert.That(table.Choices, Has.Count.EqualTo(rows.Count));
        foreach (JsonNode? row in rows)
        {
            double[] library = [.. row!["library_us"]!.AsArray().Select(time => (double)time!)];
            int choice = (int)row["choice"]!;
            Assert.That(choice, Is.InRange(ProductTable.Own, library.Length - 1));
            double own = (double)row["own_us"]!;
            Assert.That(choice < 0 ? own : library[choice], Is.EqualTo(library.Append(own).Min()));
        }
    }

    [Test]
    public void ATableHasAChoiceForEachShape()
    {
        var product = new Product(288, 72, 136, 160, DType.F16, Bias: true, Residual: false);
        ProductTimes fast = new(product, 2e-6, [3e-6, 1e-6, 1.5e-6], 0);
        ProductTimes slow = new(product with { Residual = true }, 2e-6, [3e-6, 2e-6], 0);
        File.WriteAllText(At("written.json"), ProductTable.Write("sm_90a", 120400, "a GPU", [fast, slow]).ToJsonString());
        ProductTable table = ProductTable.Read(At("written.json"));
        Assert.That((table.Architecture, table.CuBlasLt), Is.EqualTo(("sm_90a", 120400L)));
        Assert.That(table.Choices[ProductTable.OfImage(product with { Rows = 720 })], Is.EqualTo(1));
        Assert.That(table.Choices[ProductTable.OfImage(slow.Product)], Is.EqualTo(ProductTable.Own), "no faster than the own kernel");
    }

    [TestCase(null, "no such file")]
    [TestCase("{", "is no table")]
    [TestCase("[]", "is no table")]
    [TestCase("""{"architecture": "sm_80", "cublaslt": 1, "products": [{"rows": 1}]}""", "is no table")]
    public void AnotherFileIsRefusedInOneLine(string? text, string expected)
    {
        if (text is not null)
        {
            File.WriteAllText(At("other.json"), text);
        }

        CudaException error = Assert.Throws<CudaException>(() => ProductTable.Read(At("other.json")))!;
        Assert.That(error.Message, Does.StartWith($"JEDI_PRODUCTS = {At("other.json")}: ").And.Contain(expected).And.Not.Contains("\n"));
        File.Delete(At("other.json"));
    }
}
