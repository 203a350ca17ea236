using System.Runtime.InteropServices;

namespace JeDi.Bench.Peers;

/// <summary>OpenBLAS: cblas_sgemm.</summary>
sealed partial class OpenBlas : Peer
{
    const string Library = "libopenblas.so.0";
    const int RowMajor = 101;
    const int Plain = 111;
    const int Transposed = 112;

    public override string Name => "OpenBLAS";

    public override string? Missing { get; } = CheckLibrary(Library, "libopenblas0-pthread");

    public override void UseThreads(int count) => openblas_set_num_threads(count);

    public override Action Gemm(GemmShape shape)
    {
        (int m, int n, int k) = shape;
        nint x = Floats((long)m * k, 1);
        nint w = Floats((long)n * k, 2);
        nint y = Floats((long)m * n, 3);
        return () => cblas_sgemm(RowMajor, Plain, Transposed, m, n, k, 1, x, k, w, k, 0, y, n);
    }

    [LibraryImport(Library)]
    private static partial void openblas_set_num_threads(int count);

    [LibraryImport(Library)]
    private static partial void cblas_sgemm(
        int order, int transA, int transB, int m, int n, int k, float alpha, nint a, int lda, nint b, int ldb, float beta, nint c, int ldc);
}
