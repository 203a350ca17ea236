using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>What <see cref="CpuDevice"/> needs of its kernels beyond the operations, whatever their register type.</summary>
abstract unsafe class CpuKernels : Kernels, IDisposable
{
    /// <summary>Stored numbers into an F32 tensor of the same count.</summary>
    public abstract void Widen(Tensor target, void* source, DType stored);

    /// <summary>
    /// A weight, row-major in <paramref name="shape"/>, in the form that <see cref="Kernels.Gemm"/> or <see cref="Kernels.Conv2d"/> reads.
    /// </summary>
    public abstract object Pack(ParameterKind kind, Shape shape, void* values, DType stored);

    /// <summary>Bytes of that form.</summary>
    public abstract long PackedBytes(ParameterKind kind, Shape shape);

    /// <summary>Bytes that a convolution of an input shape would add to a filter.</summary>
    public abstract long PreparedBytes(Parameter filter, Shape input, ConvGeometry geometry);

    /// <summary>Bytes that first convolutions have added to filters so far.</summary>
    public abstract long PreparedSoFar { get; }

    /// <summary>Frees packed weights and scratch memory.</summary>
    public abstract void Dispose();
}

/// <summary>
/// Every operation on the CPU, compiled for one register type: <see cref="Simd512"/>, <see cref="Simd256"/> or <see cref="Simd128"/>.
/// A result's bits depend on one image's shape and on options, never on the batch or the number of threads. Several sessions may call at
/// once: their jobs take turns. A call allocates no managed memory.
/// </summary>
/// <param name="threads">Where the work runs.</param>
/// <param name="winograd">Use Winograd's algorithm where it is faster.</param>
sealed unsafe partial class CpuKernels<V>(Threads threads, bool winograd) : CpuKernels
    where V : unmanaged, ISimd<V>
{
    // Floats that a block of an element-wise job reads: enough to outweigh taking the block, few enough to share the work evenly.
    const int BlockFloats = 16 * 1024;

    /// <summary>Where the work runs.</summary>
    readonly Threads threads = threads;

    readonly List<PackedMatrix> matrices = [];
    readonly List<ConvolutionFilter> filters = [];
    /// <summary>Held by an operation while it uses <see cref="Shared"/> or prepares a weight.</summary>
    readonly Lock gate = new();
    NativeBuffer shared;
    long filterBytes;

    public override long PreparedSoFar => Interlocked.Read(ref filterBytes);

    public override void Widen(Tensor target, void* source, DType stored)
    {
        var job = new WidenJob(Floats(target), source, stored, target.Count);
        threads.Run(Partition.Pieces(target.Count, BlockFloats), job);
    }

    public override object Pack(ParameterKind kind, Shape shape, void* values, DType stored)
    {
        bool geglu = kind == ParameterKind.GegluMatrix;
        PackedMatrix matrix = PackedMatrix.Pack<V>(threads, values, stored, shape[0], SumLength(shape), geglu);
        if (kind == ParameterKind.Convolution)
        {
            var filter = new ConvolutionFilter(matrix);
            filters.Add(filter);
            return filter;
        }

        matrices.Add(matrix);
        return matrix;
    }

    public override long PackedBytes(ParameterKind kind, Shape shape) =>
        PackedMatrix.ByteCount(shape[0], SumLength(shape), V.TileColumns, kind == ParameterKind.GegluMatrix);

    public override void Dispose()
    {
        matrices.ForEach(matrix => matrix.Free());
        filters.ForEach(filter => filter.Free());
        matrices.Clear();
        filters.Clear();
        shared.Free();
    }

    /// <summary>Length of the sums: all dimensions of a weight but the first.</summary>
    static int SumLength(Shape shape) => checked((int)(shape.Count / shape[0]));

    /// <summary>
    /// Memory for <paramref name="floats"/> floats that all threads of a call share, 64-byte aligned, contents undefined. There is one such
    /// area, for the holder of <see cref="gate"/>; it grows to the largest request, so that a repeated step allocates nothing.
    /// </summary>
    float* Shared(long floats)
    {
        if (shared.Bytes < floats * sizeof(float))
        {
            shared.Free();
            shared = NativeBuffer.Allocate(floats * sizeof(float));
        }

        return (float*)shared.Address;
    }

    /// <summary>The floats of a tensor; null for an absent one.</summary>
    static float* Floats(Tensor tensor) => (float*)tensor.Address;

    readonly struct WidenJob(float* target, void* source, DType stored, long count) : IJob
    {
        public void Run(int index, Worker worker)
        {
            long first = (long)index * BlockFloats;
            Cpu.Widen.ToFloats<V>(target + first, source, stored, first, (int)Math.Min(BlockFloats, count - first));
        }
    }
}
