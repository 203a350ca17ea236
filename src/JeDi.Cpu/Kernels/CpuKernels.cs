using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>What <see cref="CpuDevice"/> needs of its kernels beyond the operations, whatever their register type.</summary>
abstract unsafe class CpuKernels : Kernels, IDisposable
{
    /// <summary>Rows of a weight side by side in a panel.</summary>
    public abstract int PanelWidth { get; }

    /// <summary>Fills parameters, on threads of their own where that is worth it.</summary>
    public abstract void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop);

    /// <summary>Panels from a plain F32 value.</summary>
    public abstract void Pack(PackedMatrix panels, float* value);

    /// <summary>A filter's panels, transformed for Winograd tiles.</summary>
    public abstract void Transform<T>(WinogradFilter<T> target, PackedMatrix source) where T : struct, IWinogradTile;

    /// <summary>Bytes of a filter's form that a convolution of an input shape would keep, if it may.</summary>
    public abstract long PreparedBytes(Parameter filter, Shape input, ConvGeometry geometry);

    /// <summary>Bytes of scratch memory that such a convolution takes.</summary>
    public abstract long ScratchBytes(Parameter filter, Shape input, ConvGeometry geometry);

    /// <summary>Bytes that first convolutions have added to filters so far.</summary>
    public abstract long PreparedSoFar { get; }

    /// <summary>Frees scratch memory.</summary>
    public abstract void Dispose();
}

/// <summary>
/// Every operation on the CPU, compiled for one register type: <see cref="Simd512"/>, <see cref="Simd256"/> or <see cref="Simd128"/>.
/// A result's bits depend on one image's shape and on options, never on the batch or the number of threads. Several sessions may call at
/// once: their jobs take turns. A call allocates no managed memory.
/// </summary>
/// <param name="device">Gives the memory of forms.</param>
/// <param name="threads">Where the work runs.</param>
/// <param name="winograd">Use Winograd's algorithm where it is faster.</param>
sealed unsafe partial class CpuKernels<V>(CpuDevice device, Threads threads, bool winograd) : CpuKernels
    where V : unmanaged, ISimd<V>
{
    // Floats that a block of an element-wise job reads: enough to outweigh taking the block, few enough to share the work evenly.
    const int BlockFloats = 16 * 1024;

    /// <summary>Where the work runs.</summary>
    readonly Threads threads = threads;

    readonly CpuDevice device = device;

    /// <summary>Held by an operation while it uses <see cref="Shared"/> or prepares a weight.</summary>
    readonly Lock gate = new();
    NativeBuffer shared;
    long filterBytes;

    public override long PreparedSoFar => Interlocked.Read(ref filterBytes);

    public override int PanelWidth => V.TileColumns;

    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop)
    {
        // Enough bytes for threads of its own, so that other work goes on meanwhile.
        const long Many = 1 << 20;
        var loader = new WeightLoader<V>(this, device, wanted);
        if (loader.Bytes < Many)
        {
            loader.Run(threads, stop);
        }
        else
        {
            var own = new Threads(threads.Count);
            threads.BeginSharing();
            try
            {
                loader.Run(own, stop);
            }
            finally
            {
                threads.EndSharing();
                own.Close();
            }
        }

        stop.ThrowIfCancellationRequested();
    }

    public override void Pack(PackedMatrix panels, float* value) => threads.Run(panels.Panels, new PackJob(panels, value));

    public override void Dispose() => shared.Free();

    /// <summary>The panels of a weight, made from its plain value at the first call.</summary>
    PackedMatrix Panels(Parameter w) => w.Form(this, static (kernels, w) =>
    {
        long bytes = PackedMatrix.ByteCount(w.Kind, w.Shape, DType.F32, kernels.PanelWidth);
        var panels = new PackedMatrix(kernels, new PanelMemory(kernels.device, bytes), w.Kind, w.Shape, DType.F32);
        panels.Rebuild(w);
        return panels;
    });

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

    /// <summary>A block is a panel; its columns are rows of the weight, with GEGLU in two runs.</summary>
    readonly struct PackJob(PackedMatrix panels, float* value) : IJob
    {
        // Columns of the weight that are turned at once: their part of a panel stays in the first-level cache.
        const int Chunk = 128;

        public void Run(int index, Worker worker)
        {
            int width = panels.PanelWidth;
            int columns = panels.PanelColumns;
            int count = Math.Min(columns, panels.Columns - index * columns);
            float* panel = (float*)panels.Panel(index);
            if (count < columns)
            {
                new Span<float>(panel, panels.K * width).Clear();
            }

            for (int k = 0; k < panels.K; k += Chunk)
            {
                int depth = Math.Min(Chunk, panels.K - k);
                for (int half = 0; half < width; half += columns)
                {
                    float* rows = value + (nint)panels.SourceRow(index, half) * panels.K + k;
                    Transposition.Run(panel + (nint)k * width + half, width, rows, panels.K, count, depth);
                }
            }
        }
    }
}
