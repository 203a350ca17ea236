using JeDi.Cuda.Planning;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>
/// The operations on one queue of a GPU. A call has been submitted, not ended, when it returns. A result's bits depend on one image's
/// shape, its type and on options, never on the batch. A call allocates no managed memory.
/// </summary>
sealed unsafe partial class CudaKernels : Kernels
{
    readonly LaunchQueue queue;
    readonly GpuModel gpu;
    readonly Action<nint, DType, Tensor> convert;

    /// <summary>No product goes to cuBLASLt.</summary>
    public bool OwnProducts { get; set; }

    public CudaKernels(LaunchQueue queue, GpuModel gpu)
    {
        (this.queue, this.gpu) = (queue, gpu);
        convert = (room, type, vector) =>
        {
            Convert(room, type, vector);
            queue.Wait();
        };
    }
}
