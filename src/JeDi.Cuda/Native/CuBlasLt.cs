using System.Runtime.InteropServices;

namespace JeDi.Cuda.Native;

/// <summary>cuBLASLt's functions that are in use (cublasLt.h of CUDA 11 and later).</summary>
static unsafe partial class CuBlasLt
{
    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtCreate(nint* handle);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtDestroy(nint handle);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial nuint cublasLtGetVersion();

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial byte* cublasLtGetStatusName(CublasResult result);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmulDescCreate(nint* description, CublasComputeType compute, CudaDataType scale);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmulDescDestroy(nint description);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmulDescSetAttribute(
        nint description, MatmulAttribute attribute, void* value, nuint bytes);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatrixLayoutCreate(
        nint* layout, CudaDataType type, ulong rows, ulong columns, long leading);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatrixLayoutDestroy(nint layout);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmulPreferenceCreate(nint* preference);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmulPreferenceDestroy(nint preference);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmulPreferenceSetAttribute(
        nint preference, MatmulPreference attribute, void* value, nuint bytes);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmulAlgoGetHeuristic(
        nint handle, nint description, nint a, nint b, nint c, nint d, nint preference, int wanted, MatmulHeuristic* results, int* found);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmulAlgoConfigGetAttribute(
        MatmulAlgorithm* algorithm, MatmulAlgorithmAttribute attribute, void* value, nuint bytes, nuint* written);

    [LibraryImport(Libraries.CuBlasLt)]
    public static partial CublasResult cublasLtMatmul(
        nint handle, nint description, void* alpha, nint a, nint layoutA, nint b, nint layoutB, void* beta, nint c, nint layoutC, nint d,
        nint layoutD, MatmulAlgorithm* algorithm, nint workspace, nuint workspaceBytes, nint stream);
}

/// <summary>cublasComputeType_t.</summary>
enum CublasComputeType
{
    F32 = 68,
    F32FastTf32 = 77,
}

/// <summary>cudaDataType_t.</summary>
enum CudaDataType
{
    F32 = 0,
    F16 = 2,
    BF16 = 14,
}

/// <summary>cublasLtMatmulDescAttributes_t.</summary>
enum MatmulAttribute
{
    TransposeA = 3,
    TransposeB = 4,
    Epilogue = 7,
    BiasPointer = 8,
    BiasDataType = 26,
}

/// <summary>cublasLtMatmulPreferenceAttributes_t.</summary>
enum MatmulPreference
{
    MaxWorkspaceBytes = 1,
    ReductionSchemeMask = 3,
}

/// <summary>cublasLtMatmulAlgoConfigAttributes_t.</summary>
enum MatmulAlgorithmAttribute
{
    Id = 0,
    TileId = 1,
    SplitK = 2,
    StagesId = 6,
}

/// <summary>cublasLtMatmulAlgo_t: opaque, 64 bytes.</summary>
unsafe struct MatmulAlgorithm
{
    public fixed ulong Data[8];
}

/// <summary>cublasLtMatmulHeuristicResult_t.</summary>
unsafe struct MatmulHeuristic
{
    public MatmulAlgorithm Algorithm;
    public nuint WorkspaceBytes;
    public CublasResult State;
    public float Waves;
    public fixed int Reserved[4];
}
