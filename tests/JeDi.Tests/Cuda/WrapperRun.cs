using System.Runtime.InteropServices;
using System.Text;
using JeDi.Cuda;
using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Tests.Cuda;

/// <summary>Launches a kernel of <c>wrappers.cu</c> on the target; disposes the device.</summary>
sealed class WrapperRun : IDisposable
{
    const string Source = "wrappers";
    readonly CudaDevice device;
    readonly Arena arena;
    readonly DType type;

    static WrapperRun()
    {
        string path = Path.Combine(AppContext.BaseDirectory, $"{Source}.cu");
        KernelSources.Add(Source, Encoding.UTF8.GetBytes(File.ReadAllText(path) + '\0'));
    }

    public WrapperRun(DType type)
    {
        this.type = type;
        device = Targets.Cuda(type);
        arena = new Arena(device);
    }

    /// <summary>Runs one launch on host values; what it leaves in y comes back, and what it leaves in w.</summary>
    /// <param name="entry">Name of the kernel.</param>
    /// <param name="y">In: contents before.</param>
    /// <param name="x">First operand.</param>
    /// <param name="w">Second operand, or room for a second result.</param>
    /// <param name="count">What the kernel counts.</param>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="function">The one of several functions.</param>
    /// <param name="sharedBytes">Dynamic shared memory.</param>
    public void Run<TY, TX, TW>(
        string entry, TY[] y, TX[] x, TW[] w, int count = 0, int threads = 32, int function = 0, int sharedBytes = 0)
        where TY : unmanaged
        where TX : unmanaged
        where TW : unmanaged
    {
        Tensor ty = Put(y);
        Tensor tx = Put(x);
        Tensor tw = Put(w);
        var args = new WrapperArgs { Y = ty.Address, X = tx.Address, W = tw.Address, Count = count };
        var kernel = new Kernel(Source, entry, "FUNCTION", "PAIRS");
        int blocks = Math.Max(1, (count + threads - 1) / threads);
        var kernels = (CudaKernels)device.Kernels;
        kernels.Launch(new Variant(kernel, type, function, type == DType.F32 ? 0 : 1), args, new Grid(blocks), threads, sharedBytes);
        Take(y, ty);
        Take(w, tw);
    }

    public void Dispose() => device.Dispose();

    /// <summary>Any values, as bytes in units of four.</summary>
    Tensor Put<TValue>(TValue[] values)
        where TValue : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes<TValue>(values);
        var padded = new byte[(Math.Max(4, bytes.Length) + 3) / 4 * 4];
        bytes.CopyTo(padded);
        Tensor tensor = arena.New([padded.Length / 4], DType.I32);
        device.Write<byte>(tensor, padded);
        return tensor;
    }

    void Take<TValue>(TValue[] values, Tensor tensor)
        where TValue : unmanaged
    {
        var padded = new byte[tensor.Bytes];
        device.Read<byte>(padded, tensor);
        Span<byte> bytes = MemoryMarshal.AsBytes(values.AsSpan());
        padded.AsSpan(0, bytes.Length).CopyTo(bytes);
    }

    [StructLayout(LayoutKind.Sequential)]
    struct WrapperArgs
    {
        public nint Y;
        public nint X;
        public nint W;
        public int Count;
    }
}
