using JeDi.Cuda.Native;
using JeDi.Tensors;

namespace JeDi.Cuda.Products;

/// <summary>
/// Which products go to cuBLASLt instead of <c>kernels/gemm.cu</c>, by one image's shape and type alone, since the choice changes bits.
/// Measured on an H100 (docs/speed.md): cuBLASLt takes 0.4 to 0.75 of the time for every plain product of Stable Diffusion, with bias and
/// residual; products with an activation stay here, since it would be a pass of its own. <c>tests/bundle</c> measures it again.
/// </summary>
static class ProductChoice
{
    /// <summary>Environment variable: <c>own</c> keeps every product with the own kernels.</summary>
    public const string Variable = "JEDI_PRODUCTS";

    /// <summary>Smaller products are bound by the launch, and what is read 16 bytes at a time has to be whole.</summary>
    const int FewestRows = 64;
    const int FewestWeights = 128 * 128;
    const int Whole = 8;

    /// <summary>cuBLASLt is there and wanted.</summary>
    public static bool HasLibrary { get; } = Environment.GetEnvironmentVariable(Variable) != "own" && Libraries.HasCuBlasLt;

    /// <summary>What this process does, for people: part of <c>info</c>, since it changes bits.</summary>
    public static string Text => HasLibrary
        ? $"plain products of 16-bit types from {FewestRows} rows an image on by cuBLASLt, all others by own kernels"
        : "all by own kernels";

    /// <param name="rows">Rows of one image.</param>
    /// <param name="columns">Rows of w.</param>
    /// <param name="depth">Columns of w.</param>
    /// <param name="type">Of x, w and y.</param>
    public static bool ByLibrary(int rows, int columns, int depth, DType type) =>
        HasLibrary && type != DType.F32 && rows >= FewestRows && columns % Whole == 0 && depth % Whole == 0
        && (long)columns * depth >= FewestWeights;

    /// <summary>
    /// Images for whose number of rows the algorithm is chosen, whatever the batch is: few rows an image leave a GPU idle unless there are
    /// several.
    /// </summary>
    public static int ReferenceImages(int rows) => rows >= 4096 ? 1 : rows >= 1024 ? 2 : 4;
}
