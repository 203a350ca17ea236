using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Blocks of a launch.</summary>
readonly record struct Grid(int X, int Y = 1, int Z = 1);

/// <summary>Where launches go: to the stream of a device, or into a plan.</summary>
abstract unsafe class LaunchQueue
{
    /// <summary>Runs a kernel with a copy of its one argument.</summary>
    public abstract void Launch(in Variant variant, void* args, int argsBytes, Grid grid, int threads, int sharedBytes);

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
