using JeDi.Cuda.Compiling;
using JeDi.Cuda.Products;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>
/// The operations on one queue of a GPU. A call has been submitted, not ended, when it returns. A result's bits depend on one image's
/// shape, its type and on options, never on the batch. A call allocates no managed memory.
/// </summary>
sealed unsafe partial class CudaKernels : Kernels, IDisposable
{
    readonly CudaDevice device;
    readonly CudaContext context;
    readonly nint stream;
    readonly Dictionary<Variant, Function> functions = [];
    readonly Action<nint, DType, Tensor> convert;
    LibraryProducts? library;
    DeviceMemory? scratch;

    public CudaKernels(CudaDevice device, CudaContext context, nint stream)
    {
        (this.device, this.context, this.stream) = (device, context, stream);
        convert = (room, type, vector) =>
        {
            Convert(room, type, vector);
            device.Synchronize();
        };
    }

    /// <summary>cuBLASLt's part of the queue; memory is the device's.</summary>
    public void Dispose() => library?.Dispose();
}
