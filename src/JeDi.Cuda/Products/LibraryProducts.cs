using JeDi.Cuda.Native;
using JeDi.Tensors;

namespace JeDi.Cuda.Products;

/// <summary>
/// y = x w^T + bias + residual by cuBLASLt, on one queue. The algorithm is pinned by one image's shape: of those that cuBLASLt names for a
/// fixed number of images (<see cref="ProductChoice.ReferenceImages"/>) and that do not split k, and taken for every batch. So no
/// bit of an image depends on the images beside it. A call on a shape that was seen before allocates no managed memory.
/// </summary>
/// <remarks>cuBLASLt counts columns first: it computes y^T = w x^T, where w is its first operand, transposed.</remarks>
sealed unsafe class LibraryProducts : IDisposable
{
    /// <summary>More than any algorithm without parts of k asks for.</summary>
    public const int WorkspaceBytes = 1 << 16;

    /// <summary>So many are asked for where one is chosen by its number.</summary>
    public const int MostAlgorithms = 8;

    readonly nint handle;
    readonly Func<Product, int?> number;
    readonly Dictionary<Product, Plan?> plans = [];

    /// <param name="number">
    /// Of a product's algorithm in cuBLASLt's order; null: the first of one that is asked for. There is none where cuBLASLt has fewer.
    /// </param>
    public LibraryProducts(Func<Product, int?> number)
    {
        this.number = number;
        nint made;
        CuBlasLt.cublasLtCreate(&made).Check();
        handle = made;
    }

    /// <returns>Whether cuBLASLt has an algorithm for it; false: nothing was done, and never will be for this shape of an image.</returns>
    public bool TryRun(in Product product, in Operands operands, nint workspace, nint stream)
    {
        if (!plans.TryGetValue(product, out Plan? plan))
        {
            plans[product] = plan = Make(product);
        }

        if (plan is null)
        {
            return false;
        }

        nint bias = operands.Bias;
        if (product.Bias)
        {
            CuBlasLt.cublasLtMatmulDescSetAttribute(plan.Description, MatmulAttribute.BiasPointer, &bias, (nuint)sizeof(nint)).Check();
        }

        float one = 1;
        float residual = product.Residual ? 1 : 0;
        MatmulAlgorithm algorithm = plan.Algorithm;
        CuBlasLt.cublasLtMatmul(
            handle, plan.Description, &one, operands.W, plan.W, operands.X, plan.X, &residual,
            product.Residual ? operands.Residual : operands.Y, plan.Y, operands.Y, plan.Y, &algorithm, workspace, WorkspaceBytes, stream)
            .Check();
        return true;
    }

    public void Dispose()
    {
        foreach (Plan? plan in plans.Values)
        {
            plan?.Dispose();
        }

        plans.Clear();
        CuBlasLt.cublasLtDestroy(handle);
    }

    Plan? Make(in Product product)
    {
        var plan = new Plan(product, product.Rows);
        int rows = product.RowsOfImage * ProductChoice.ReferenceImages(product.RowsOfImage);
        using Plan reference = new(product, rows);
        nint preference;
        CuBlasLt.cublasLtMatmulPreferenceCreate(&preference).Check();
        try
        {
            ulong bytes = WorkspaceBytes;
            uint unsplit = 0;
            CuBlasLt.cublasLtMatmulPreferenceSetAttribute(
                preference, MatmulPreference.MaxWorkspaceBytes, &bytes, sizeof(ulong)).Check();
            CuBlasLt.cublasLtMatmulPreferenceSetAttribute(
                preference, MatmulPreference.ReductionSchemeMask, &unsplit, sizeof(uint)).Check();
            MatmulHeuristic* found = stackalloc MatmulHeuristic[MostAlgorithms];
            int? wanted = number(product);
            int count = 0;
            CublasResult asked = CuBlasLt.cublasLtMatmulAlgoGetHeuristic(
                handle, reference.Description, reference.W, reference.X, reference.Y, reference.Y, preference,
                wanted is null ? 1 : MostAlgorithms, found, &count);
            if (asked != CublasResult.Success || count <= (wanted ?? 0))
            {
                plan.Dispose();
                return null;
            }

            plan.Algorithm = found[wanted ?? 0].Algorithm;
            return plan;
        }
        finally
        {
            CuBlasLt.cublasLtMatmulPreferenceDestroy(preference);
        }
    }

    /// <summary>What cuBLASLt is told of a product, and the algorithm.</summary>
    sealed class Plan : IDisposable
    {
        public Plan(in Product product, int rows)
        {
            CudaDataType type = product.Type == DType.F16 ? CudaDataType.F16 : CudaDataType.BF16;
            nint made;
            CuBlasLt.cublasLtMatmulDescCreate(&made, CublasComputeType.F32, CudaDataType.F32).Check();
            Description = made;
            int transposed = 1;
            CuBlasLt.cublasLtMatmulDescSetAttribute(made, MatmulAttribute.TransposeA, &transposed, sizeof(int)).Check();
            if (product.Bias)
            {
                const int BiasEpilogue = 4;
                int epilogue = BiasEpilogue;
                CuBlasLt.cublasLtMatmulDescSetAttribute(made, MatmulAttribute.Epilogue, &epilogue, sizeof(int)).Check();
                CuBlasLt.cublasLtMatmulDescSetAttribute(made, MatmulAttribute.BiasDataType, &type, sizeof(int)).Check();
            }

            W = Layout(type, product.Depth, product.Columns);
            X = Layout(type, product.Depth, rows);
            Y = Layout(type, product.Columns, rows);
        }

        public nint Description { get; }

        public nint W { get; }

        public nint X { get; }

        public nint Y { get; }

        public MatmulAlgorithm Algorithm { get; set; }

        public void Dispose()
        {
            CuBlasLt.cublasLtMatrixLayoutDestroy(W);
            CuBlasLt.cublasLtMatrixLayoutDestroy(X);
            CuBlasLt.cublasLtMatrixLayoutDestroy(Y);
            CuBlasLt.cublasLtMatmulDescDestroy(Description);
        }

        static nint Layout(CudaDataType type, int rows, int columns)
        {
            nint made;
            CuBlasLt.cublasLtMatrixLayoutCreate(&made, type, (ulong)rows, (ulong)columns, rows).Check();
            return made;
        }
    }
}

/// <summary>One product's shape: of the whole batch, of one image, and what is added.</summary>
readonly record struct Product(int Rows, int RowsOfImage, int Columns, int Depth, DType Type, bool Bias, bool Residual);

/// <summary>Addresses of a product's matrices; <paramref name="Bias"/> has the type of the others.</summary>
readonly record struct Operands(nint Y, nint X, nint W, nint Bias, nint Residual);
