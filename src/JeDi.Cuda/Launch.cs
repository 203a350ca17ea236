using JeDi.Cuda.Compiling;
using JeDi.Cuda.Products;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Blocks of a launch.</summary>
readonly record struct Grid(int X, int Y = 1, int Z = 1);

/// <summary>Where launches go: to the stream of a device, or into a plan.</summary>
abstract unsafe class LaunchQueue
{
    /// <summary>Runs a kernel with a copy of its one argument.</summary>
    public abstract void Launch(in Variant variant, void* args, int argsBytes, Grid grid, int threads, int sharedBytes);

    /// <summary>A plain product by cuBLASLt.</summary>
    /// <param name="product">Its shape.</param>
    /// <param name="operands">Addresses, all but the bias.</param>
    /// <param name="bias">F32, or absent.</param>
    /// <param name="convert">Writes a vector as another type to an address, and waits for it.</param>
    /// <returns>False: it is to be done by own kernels.</returns>
    public abstract bool Multiply(in Product product, in Operands operands, Tensor bias, Action<nint, DType, Tensor> convert);

    /// <summary>Waits for all that was given to it.</summary>
    public abstract void Wait();

    /// <summary>Memory for one operation, 256-byte aligned, contents undefined; the next operation uses it again.</summary>
    public abstract nint Scratch(long bytes);
}

/// <summary>How kernels get to the device; the launchers of the operations are the parts in <c>Kernels/</c>.</summary>
sealed unsafe partial class CudaKernels
{
    /// <summary>
    /// Runs <paramref name="variant"/>, a kernel compiled for an element type and its numbers (see <see cref="Kernel"/>), on this queue.
    /// <paramref name="args"/> is passed by value, with the layout of the struct of the same name in the kernel's source.
    /// </summary>
    /// <param name="variant">Which kernel, compiled how.</param>
    /// <param name="args">The kernel's one argument.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="sharedBytes">Dynamic shared memory of a block.</param>
    internal void Launch<TArgs>(in Variant variant, in TArgs args, Grid grid, int threads, int sharedBytes = 0)
        where TArgs : unmanaged
    {
        fixed (TArgs* first = &args)
        {
            queue.Launch(variant, first, sizeof(TArgs), grid, threads, sharedBytes);
        }
    }

    /// <summary>
    /// Memory for one operation of this queue, 256-byte aligned, contents undefined; the next operation uses it again. It grows at first
    /// runs to the largest request, so that a repeated step allocates nothing.
    /// </summary>
    nint Scratch(long bytes) => queue.Scratch(bytes);

    /// <summary>How many pieces cover the whole.</summary>
    internal static int Pieces(int whole, int piece) => (whole + piece - 1) / piece;
}
