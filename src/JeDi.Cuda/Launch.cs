using System.Runtime.CompilerServices;
using JeDi.Cuda.Compiling;
using JeDi.Cuda.Native;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Blocks of a launch.</summary>
readonly record struct Grid(int X, int Y = 1, int Z = 1);

/// <summary>How kernels get to the device; the launchers of the operations are the parts in <c>Kernels/</c>.</summary>
sealed unsafe partial class CudaKernels
{
    /// <summary>Functions that a rehearsal would have launched; null outside of one.</summary>
    List<Function>? rehearsed;

    /// <summary>Nothing reaches the device: only what would be launched is noted, to be compiled together.</summary>
    bool Rehearsing => rehearsed is not null;

    /// <summary>Kernels that were launched so far; one that is captured counts as one.</summary>
    public long Launches { get; private set; }

    /// <summary>Runs a step without the device and compiles, on all processors, what it will launch.</summary>
    public void Rehearse(Action step)
    {
        rehearsed = [];
        try
        {
            step();
            context.Modules.Load(rehearsed);
        }
        finally
        {
            rehearsed = null;
        }
    }

    /// <summary>
    /// Runs <paramref name="kernel"/>, compiled for an element type and its numbers (see <see cref="Kernel"/>), on this queue.
    /// <paramref name="args"/> is passed by value, with the layout of the struct of the same name in the kernel's source.
    /// </summary>
    /// <param name="variant">Which kernel, compiled how.</param>
    /// <param name="args">The kernel's one argument.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="sharedBytes">Dynamic shared memory of a block.</param>
    void Launch<TArgs>(in Variant variant, in TArgs args, Grid grid, int threads, int sharedBytes = 0)
        where TArgs : unmanaged
    {
        if (!functions.TryGetValue(variant, out Function? function))
        {
            functions[variant] = function = context.Modules.Find(variant);
        }

        if (rehearsed is not null)
        {
            rehearsed.Add(function);
            return;
        }

        context.Enter();
        if (function.Handle == 0 || sharedBytes > function.SharedBytes)
        {
            Prepare(function, sharedBytes);
        }

        fixed (TArgs* first = &args)
        {
            void* parameter = first;
            CudaResult result = Driver.cuLaunchKernel(
                function.Handle, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)threads, 1, 1, (uint)sharedBytes, stream,
                &parameter, null);
            if (result != CudaResult.Success)
            {
                Refused(result, function);
            }
        }

        Launches++;
    }

    /// <summary>
    /// Memory for one operation of this queue, 256-byte aligned, contents undefined; the next operation uses it again. It grows at first
    /// runs to the largest request, so that a repeated step allocates nothing.
    /// </summary>
    nint Scratch(long bytes)
    {
        if (scratch is null || scratch.Bytes < bytes)
        {
            // A recorded step may still use the old area: it lives until the queue closes.
            scratch = device.Allocate(Math.Max(bytes, 2 * (scratch?.Bytes ?? 0)));
        }

        return scratch.Address;
    }

    /// <summary>How many pieces cover the whole.</summary>
    internal static int Pieces(int whole, int piece) => (whole + piece - 1) / piece;

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Prepare(Function function, int sharedBytes)
    {
        if (function.Handle == 0)
        {
            context.Modules.Load([function]);
        }

        if (sharedBytes > function.SharedBytes)
        {
            if (sharedBytes > context.SharedBytesPerBlock)
            {
                throw new CudaException($"{function.Variant} wants {sharedBytes} bytes of shared memory, {context.Name} has "
                    + $"{context.SharedBytesPerBlock} for a block");
            }

            Driver.cuFuncSetAttribute(function.Handle, FunctionAttribute.MaxDynamicSharedSizeBytes, sharedBytes).Check();
            function.SharedBytes = sharedBytes;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Refused(CudaResult result, Function function) => context.Check(result, $"cuLaunchKernel of {function.Variant} (");
}
