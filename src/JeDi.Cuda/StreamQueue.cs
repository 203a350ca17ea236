using System.Runtime.CompilerServices;
using JeDi.Cuda.Compiling;
using JeDi.Cuda.Native;
using JeDi.Cuda.Planning;
using JeDi.Cuda.Products;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Launches on a stream; kernels are compiled and loaded at their first launch, or before (<see cref="Prepare"/>).</summary>
sealed unsafe class StreamQueue(CudaDevice device, CudaContext context, nint stream) : LaunchQueue, IDisposable
{
    readonly Dictionary<Variant, Function> functions = [];
    LibraryProducts? library;
    DeviceMemory? scratch;

    /// <summary>While somebody takes notes, nothing reaches the device.</summary>
    public LaunchNotes Notes { get; } = new();

    /// <summary>Compiles, on all processors, what these launches need.</summary>
    public void Prepare(IEnumerable<PlannedLaunch> launches) =>
        context.Modules.Load(launches.Where(launch => launch.Library is null).Select(launch => context.Modules.Find(launch.Variant)));

    public override void Launch(in Variant variant, void* args, int argsBytes, Grid grid, int threads, int sharedBytes)
    {
        if (Notes.Taking)
        {
            Notes.Add(variant, args, argsBytes, grid, threads, sharedBytes);
            return;
        }

        if (!functions.TryGetValue(variant, out Function? function))
        {
            functions[variant] = function = context.Modules.Find(variant);
        }

        context.Enter();
        if (function.Handle == 0 || sharedBytes > function.SharedBytes)
        {
            Prepare(function, sharedBytes);
        }

        CudaResult result = Driver.cuLaunchKernel(
            function.Handle, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)threads, 1, 1, (uint)sharedBytes, stream, &args, null);
        if (result != CudaResult.Success)
        {
            Refused(result, function);
        }
    }

    public override bool Multiply(in Product product, in Operands operands, Tensor bias, Action<nint, DType, Tensor> convert)
    {
        nint workspace = Scratch(LibraryProducts.WorkspaceBytes);
        if (Notes.Taking)
        {
            Note(product, operands, bias, convert);
            return true;
        }

        context.Enter();
        library ??= new LibraryProducts(one => ProductChoice.Algorithm(one, context.Gpu.Architecture));
        nint narrow = bias.Exists ? context.NarrowVectors.Of(bias, product.Type, convert) : 0;
        return library.TryRun(product, operands with { Bias = narrow }, workspace, stream);
    }

    public override void Wait() => device.Synchronize();

    /// <summary>cuBLASLt's part; memory is the device's.</summary>
    public void Dispose() => library?.Dispose();

    public override nint Scratch(long bytes)
    {
        if (scratch is null || scratch.Bytes < bytes)
        {
            // A recorded step may still use the old area: it lives until the queue closes.
            scratch = device.Allocate(Math.Max(bytes, 2 * (scratch?.Bytes ?? 0)));
        }

        return scratch.Address;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Note(Product product, Operands operands, Tensor bias, Action<nint, DType, Tensor> convert) =>
        Notes.Add(product.Type, () => Multiply(product, operands, bias, convert));

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Prepare(Function function, int sharedBytes)
    {
        if (function.Handle == 0)
        {
            context.Modules.Load([function]);
        }

        if (sharedBytes > function.SharedBytes)
        {
            if (sharedBytes > context.Gpu.SharedBytesPerBlock)
            {
                throw new CudaException($"{function.Variant} wants {sharedBytes} bytes of shared memory, {context.Name} has "
                    + $"{context.Gpu.SharedBytesPerBlock} for a block");
            }

            Driver.cuFuncSetAttribute(function.Handle, FunctionAttribute.MaxDynamicSharedSizeBytes, sharedBytes).Check();
            function.SharedBytes = sharedBytes;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    void Refused(CudaResult result, Function function) => context.Check(result, $"cuLaunchKernel of {function.Variant} (");
}
