using JeDi.Cuda.Compiling;
using JeDi.Cuda.Native;
using JeDi.Cuda.Products;

namespace JeDi.Cuda;

/// <summary>What there is of a GPU and of the libraries that it is used with.</summary>
/// <param name="Ordinal">As in cuda:0.</param>
/// <param name="Name">The GPU's name.</param>
/// <param name="Capability">Compute capability, e.g. 9.0.</param>
/// <param name="TotalBytes">Its memory.</param>
/// <param name="FreeBytes">What is free of it now.</param>
/// <param name="Driver">CUDA version that the driver supports.</param>
/// <param name="Nvrtc">Version of the compiler, or "none".</param>
/// <param name="CuBlasLt">Version of cuBLASLt, or "none".</param>
/// <param name="Products">Which products cuBLASLt computes, for people; it changes bits.</param>
public sealed record CudaInfo(
    int Ordinal, string Name, string Capability, long TotalBytes, long FreeBytes, string Driver, string Nvrtc, string CuBlasLt,
    string Products)
{
    /// <summary>Every GPU that this process may use.</summary>
    /// <exception cref="CudaException">There is none, or it cannot be used: says what to do.</exception>
    public static IReadOnlyList<CudaInfo> All() => [.. Enumerable.Range(0, CudaContext.Count()).Select(Of)];

    static unsafe CudaInfo Of(int ordinal)
    {
        var context = CudaContext.Hold(ordinal);
        try
        {
            int version;
            Native.Driver.cuDriverGetVersion(&version).Check();
            (long free, long total) = context.Memory();
            string blas = Libraries.HasCuBlasLt ? $"{Native.CuBlasLt.cublasLtGetVersion()}" : "none";
            string capability = $"{context.Capability / 10}.{context.Capability % 10}";
            return new CudaInfo(
                ordinal, context.Name, capability, total, free, CudaContext.Text(version), Compiler.Version, blas,
                ProductChoice.Text(context.Gpu.Architecture));
        }
        finally
        {
            context.Release();
        }
    }
}
