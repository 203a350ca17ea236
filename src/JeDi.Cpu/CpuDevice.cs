using System.Runtime.InteropServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// The processor: memory of the process, kernels at one SIMD level, work on a pool of threads. A call has ended when it returns.
/// </summary>
public sealed unsafe class CpuDevice : Device
{
    // Asking the system takes longer than a small allocation.
    const long WorthAsking = 16L << 20;

    readonly Threads threads;
    readonly CpuKernels kernels;
    readonly Gradients gradients;
    readonly Dictionary<nint, NativeBuffer> allocations = [];

    /// <param name="threads">Threads that work, the caller's included; 0: one for each processor.</param>
    /// <param name="level">Instruction set; by default the widest that the processor has.</param>
    /// <param name="winograd">Convolve by Winograd's algorithm where it is faster.</param>
    /// <param name="keptFilterBytes">
    /// Most bytes of filters, transformed for Winograd's algorithm, that are kept for the next call; beyond it a convolution transforms
    /// its filter on the way. The results are the same, bit for bit.
    /// </param>
    /// <exception cref="ArgumentException">The processor lacks that instruction set.</exception>
    public CpuDevice(int threads = 0, SimdLevel? level = null, bool winograd = true, long keptFilterBytes = 0)
    {
        Level = level ?? SimdLevels.Best;
        if (!SimdLevels.Supports(Level))
        {
            throw new ArgumentException($"this processor has no {Text(Level)}; its best level is {Text(SimdLevels.Best)}");
        }

        KeptFilterBytes = keptFilterBytes;
        this.threads = new Threads(threads > 0 ? threads : Environment.ProcessorCount);
        (kernels, gradients) = Level switch
        {
            SimdLevel.Avx512 => Make<Simd512>(winograd),
            SimdLevel.Avx2 => Make<Simd256>(winograd),
            _ => Make<Simd128>(winograd),
        };
        Name = $"{ProcessorName()}, {Text(Level)}, {this.threads.Count} {(this.threads.Count == 1 ? "thread" : "threads")}";
    }

    public override string Name { get; }

    public SimdLevel Level { get; }

    public override bool ComputesWhileLoading => true;

    /// <summary>Threads that work, the caller's included.</summary>
    public int ThreadCount => threads.Count;

    public override Kernels Kernels => kernels;

    public override Gradients Gradients => gradients;

    public override long AvailableBytes => SystemMemory.Available();

    /// <summary>Begins to compile the kernels of a level in the background, where nobody in the process has begun before.</summary>
    public static void CompileKernels(SimdLevel level) => FirstRun.Begin(level);

    /// <exception cref="OutOfDeviceMemoryException"/>
    public override DeviceMemory Allocate(long bytes)
    {
        CheckAvailable(bytes);
        try
        {
            NativeBuffer buffer = NativeBuffer.Allocate(bytes);
            var memory = new DeviceMemory(this, (nint)buffer.Address, bytes);
            lock (allocations)
            {
                allocations.Add(memory.Address, buffer);
            }

            return memory;
        }
        catch (OutOfMemoryException)
        {
            throw new OutOfDeviceMemoryException(Name, bytes, AvailableBytes);
        }
    }

    public override void Free(DeviceMemory memory)
    {
        lock (allocations)
        {
            if (allocations.Remove(memory.Address, out NativeBuffer buffer))
            {
                buffer.Free();
            }
        }
    }

    public override void Fill(Tensor tensor, byte value)
    {
        var job = new FillJob((byte*)tensor.Address, tensor.Bytes, value);
        threads.Run(job.Blocks, job);
    }

    /// <summary>Nothing to wait for.</summary>
    public override void Synchronize()
    {
    }

    public override Replay Record(Action step) => new PlainReplay(step);

    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default) => kernels.Load(wanted, stop);

    public override long ParameterBytes(ParameterKind kind, Shape shape, DType stored) => kind switch
    {
        ParameterKind.Vector or ParameterKind.Plain => shape.Count * sizeof(float),
        ParameterKind.Table => shape.Count * stored.Size(),
        _ => PackedMatrix.ByteCount(kind, shape, stored, kernels.PanelWidth),
    };

    public override long PreparedBytes => kernels.PreparedSoFar;

    public override long PreparedFilterBytes(Parameter filter, Shape input, ConvGeometry geometry) =>
        kernels.PreparedBytes(filter, input, geometry);

    public override long ScratchBytes(Parameter filter, Shape input, ConvGeometry geometry) =>
        kernels.ScratchBytes(filter, input, geometry);

    public override long GradientScratchBytes(Parameter w, Shape input, ConvGeometry geometry, bool data, bool weight) =>
        ((IGradientScratch)gradients).ScratchBytes(w, input, geometry, data, weight);

    /// <summary>Ends the threads and frees all memory: tensors and parameters of the device are dead.</summary>
    public override void Dispose()
    {
        threads.Close();
        kernels.Dispose();
        (gradients as IDisposable)?.Dispose();
        lock (allocations)
        {
            foreach (NativeBuffer buffer in allocations.Values)
            {
                buffer.Free();
            }

            allocations.Clear();
        }
    }

    protected override void CopyIn(Tensor destination, ReadOnlySpan<byte> source) =>
        source.CopyTo(new Span<byte>((void*)destination.Address, source.Length));

    protected override void CopyOut(Span<byte> destination, Tensor source) =>
        new ReadOnlySpan<byte>((void*)source.Address, destination.Length).CopyTo(destination);

    (CpuKernels Kernels, Gradients Gradients) Make<V>(bool winograd) where V : unmanaged, ISimd<V> =>
        (new CpuKernels<V>(this, threads, winograd), new CpuGradients<V>(threads, winograd));

    void CheckAvailable(long bytes)
    {
        if (bytes < WorthAsking)
        {
            return;
        }

        long available = AvailableBytes;
        if (bytes > available)
        {
            throw new OutOfDeviceMemoryException(Name, bytes, available);
        }
    }

    static string Text(SimdLevel level) => level switch
    {
        SimdLevel.Avx512 => "AVX-512",
        SimdLevel.Avx2 => "AVX2",
        _ => "portable SIMD",
    };

    static string ProcessorName()
    {
        try
        {
            const string Key = "model name";
            string? line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
            if (line is not null)
            {
                return line[(line.IndexOf(':') + 1)..].Trim();
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
        }

        return $"{RuntimeInformation.ProcessArchitecture} processor";
    }

    readonly struct FillJob(byte* first, long bytes, byte value) : IJob
    {
        const int BlockBytes = 1 << 20;

        readonly byte* first = first;

        public int Blocks => Partition.Pieces(bytes, BlockBytes);

        public void Run(int index, Worker worker)
        {
            long from = (long)index * BlockBytes;
            NativeMemory.Fill(first + from, (nuint)Math.Min(BlockBytes, bytes - from), value);
        }
    }
}
