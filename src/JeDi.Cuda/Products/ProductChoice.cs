using JeDi.Cuda.Native;
using JeDi.Tensors;

namespace JeDi.Cuda.Products;

/// <summary>
/// Which products go to cuBLASLt instead of <c>kernels/gemm.cu</c>, by one image's shape and type alone, since the choice changes bits: as
/// the table says that <c>JEDI_PRODUCTS</c> names, and for what is not in it by a rule. That was measured on an H100 (docs/speed.md):
/// cuBLASLt takes 0.4 to 0.75 of the time for every plain product of Stable Diffusion, with bias and residual; products with an activation
/// stay here, since it would be a pass of its own. <c>jedi-native bench --products</c> measures again, so does <c>tests/bundle</c>.
/// </summary>
static class ProductChoice
{
    /// <summary>Environment variable: <see cref="OwnKernels"/> keeps every product with the own kernels; else a table's file.</summary>
    public const string Variable = "JEDI_PRODUCTS";

    /// <summary>Value of the variable.</summary>
    public const string OwnKernels = "own";

    /// <summary>Smaller products are bound by the launch, and what is read 16 bytes at a time has to be whole.</summary>
    const int FewestRows = 64;
    const int FewestWeights = 128 * 128;
    const int Whole = 8;

    static readonly string? named = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } value ? value : null;
    static readonly Lazy<ProductTable?> table = new(() => named is null or OwnKernels ? null : ProductTable.Read(named));

    /// <summary>cuBLASLt is there and wanted.</summary>
    public static bool HasLibrary { get; } = named != OwnKernels && Libraries.HasCuBlasLt;

    /// <summary>Of cuBLASLt, as it counts them.</summary>
    public static long Version => (long)CuBlasLt.cublasLtGetVersion();

    /// <summary>What this process does on a GPU, for people: part of <c>info</c>, since it changes bits.</summary>
    /// <exception cref="CudaException">The table that is named is none.</exception>
    public static string Text(string architecture)
    {
        if (!HasLibrary)
        {
            return "all by own kernels";
        }

        string rule = $"plain products of 16-bit types from {FewestRows} rows an image on by cuBLASLt, all others by own kernels";
        return table.Value is not ProductTable all ? rule
            : Table(architecture) is ProductTable known ? $"{known.Choices.Count} shapes as {named} says; of the rest {rule}"
            : $"{rule} ({named} is of {all.Architecture} and cuBLASLt {all.CuBlasLt}, and not used)";
    }

    /// <param name="product">Of any number of images.</param>
    /// <param name="architecture">Of the GPU.</param>
    /// <exception cref="CudaException">The table that is named is none.</exception>
    public static bool ByLibrary(in Product product, string architecture)
    {
        if (!HasLibrary || product.Type == DType.F32 || product.Columns % Whole != 0 || product.Depth % Whole != 0)
        {
            return false;
        }

        return Find(product, architecture) is int choice
            ? choice != ProductTable.Own
            : product.RowsOfImage >= FewestRows && (long)product.Columns * product.Depth >= FewestWeights;
    }

    /// <summary>The number of cuBLASLt's algorithm that the table says; null: it says nothing, and the first is taken.</summary>
    public static int? Algorithm(in Product product, string architecture) =>
        Find(product, architecture) is int choice && choice != ProductTable.Own ? choice : null;

    /// <summary>
    /// Images for whose number of rows the algorithm is chosen, whatever the batch is: few rows an image leave a GPU idle unless there are
    /// several.
    /// </summary>
    public static int ReferenceImages(int rows) => rows >= 4096 ? 1 : rows >= 1024 ? 2 : 4;

    static int? Find(in Product product, string architecture) =>
        Table(architecture)?.Choices.TryGetValue(ProductTable.OfImage(product), out int choice) == true ? choice : null;

    /// <summary>The table, if it is of this GPU and this cuBLASLt: another's numbers mean other algorithms.</summary>
    static ProductTable? Table(string architecture) =>
        table.Value is ProductTable all && all.Architecture == architecture && all.CuBlasLt == Version ? all : null;
}
