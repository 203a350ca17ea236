using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Tensors;

namespace JeDi.Cuda.Products;

/// <summary>
/// Which of own kernel and cuBLASLt's algorithms was the fastest for each product of a model, as <c>jedi-native bench --products</c>
/// measured it: for one architecture and one version of cuBLASLt, whose algorithms have numbers in its own order.
/// </summary>
/// <param name="Architecture">E.g. sm_90a.</param>
/// <param name="CuBlasLt">Version, as cublasLtGetVersion gives it.</param>
/// <param name="Choices">For a product of one image: the algorithm's number, or <see cref="Own"/>.</param>
sealed record ProductTable(string Architecture, long CuBlasLt, IReadOnlyDictionary<Product, int> Choices)
{
    /// <summary>The own kernel.</summary>
    public const int Own = -1;

    const long MostBytes = 1 << 24;

    /// <exception cref="CudaException">The file cannot be read, or is no such table: one line.</exception>
    public static ProductTable Read(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists || file.Length > MostBytes)
            {
                throw new CudaException(
                    $"{ProductChoice.Variable} = {path}: {(file.Exists ? "is too large for a table" : "no such file")}; "
                    + $"'{ProductChoice.OwnKernels}' or a table of measured products is wanted");
            }

            JsonNode json = JsonNode.Parse(File.ReadAllText(path))!;
            return new ProductTable(
                (string)json["architecture"]!,
                (long)json["cublaslt"]!,
                json["products"]!.AsArray().ToDictionary(row => Key(row!), row => (int)row!["choice"]!));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or ArgumentException
            or NullReferenceException or IOException or UnauthorizedAccessException)
        {
            throw new CudaException($"{ProductChoice.Variable} = {path}: is no table of measured products");
        }
    }

    /// <summary>The same product, of one image alone: what a choice may depend on.</summary>
    public static Product OfImage(in Product product) => product with { Rows = product.RowsOfImage };

    /// <summary>As a file holds it.</summary>
    public static JsonObject Write(string architecture, long cuBlasLt, string device, IEnumerable<ProductTimes> times) => new()
    {
        ["device"] = device,
        ["architecture"] = architecture,
        ["cublaslt"] = cuBlasLt,
        ["products"] = new JsonArray([.. times.Select(one => (JsonNode)new JsonObject
        {
            ["rows"] = one.Product.RowsOfImage,
            ["columns"] = one.Product.Columns,
            ["depth"] = one.Product.Depth,
            ["type"] = one.Product.Type.ToString(),
            ["bias"] = one.Product.Bias,
            ["residual"] = one.Product.Residual,
            ["images"] = one.Product.Rows / one.Product.RowsOfImage,
            ["own_us"] = Math.Round(one.OwnSeconds * 1e6, 2),
            ["library_us"] = new JsonArray([.. one.LibrarySeconds.Select(seconds => (JsonNode)Math.Round(seconds * 1e6, 2))]),
            ["choice"] = one.Fastest,
        })]),
    };

    static Product Key(JsonNode row)
    {
        int rows = (int)row["rows"]!;
        return new Product(
            rows, rows, (int)row["columns"]!, (int)row["depth"]!, Enum.Parse<DType>((string)row["type"]!), (bool)row["bias"]!,
            (bool)row["residual"]!);
    }
}

/// <summary>What one product takes.</summary>
/// <param name="Product">Of the images that were measured together.</param>
/// <param name="OwnSeconds">By the own kernel.</param>
/// <param name="LibrarySeconds">By each algorithm of cuBLASLt, in its order.</param>
/// <param name="Difference">Largest difference of a result from the own kernel's, over the largest value.</param>
sealed record ProductTimes(Product Product, double OwnSeconds, double[] LibrarySeconds, double Difference)
{
    /// <summary>The fastest algorithm's number; <see cref="ProductTable.Own"/> where none is faster.</summary>
    public int Fastest => LibrarySeconds.Length == 0 || LibrarySeconds.Min() >= OwnSeconds
        ? ProductTable.Own
        : Array.IndexOf(LibrarySeconds, LibrarySeconds.Min());
}
