using JeDi.Cuda.Compiling;
using JeDi.Cuda.Products;
using JeDi.Tensors;

namespace JeDi.Cuda.Planning;

/// <summary>
/// A GPU that is not there: the same model and sampler code run on it gives every launch, with its operation, as that GPU would get it.
/// Its memory has addresses and nothing behind them.
/// </summary>
sealed class LaunchPlan : Device
{
    const long Alignment = 256;
    readonly LaunchNotes notes = new();
    readonly HashSet<Product> products = [];
    readonly GpuModel gpu;
    long next = 1L << 44;

    public LaunchPlan(GpuModel gpu)
    {
        this.gpu = gpu;
        Kernels = new DescribedKernels(new CudaKernels(new PlannedQueue(notes, products), gpu), notes);
    }

    public override string Name => $"plan of {gpu.Name}";

    public override Kernels Kernels { get; }

    public override long AvailableBytes => long.MaxValue;

    /// <summary>A plan sees every step.</summary>
    public override bool Captures => true;

    /// <summary>Those of one image that cuBLASLt would compute, where it is there.</summary>
    public IReadOnlyCollection<Product> Products => products;

    /// <summary>What <paramref name="work"/> on this device launches.</summary>
    public IReadOnlyList<PlannedLaunch> Of(Action work) => notes.Of(work);

    public override DeviceMemory Allocate(long bytes)
    {
        long at = next;
        next += (bytes + Alignment - 1) / Alignment * Alignment;
        return new DeviceMemory(this, (nint)at, bytes);
    }

    public override void Free(DeviceMemory memory)
    {
    }

    public override void Fill(Tensor tensor, byte value)
    {
    }

    public override void Synchronize()
    {
    }

    public override Replay Record(Action step) => new PlainReplay(step);

    /// <summary>
    /// Parameters get places and no values; what is stored in another type is converted, and vectors to what cuBLASLt may want.
    /// </summary>
    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default)
    {
        foreach (WantedParameter one in wanted)
        {
            Parameter parameter = one.Parameter;
            bool vector = parameter.Kind == ParameterKind.Vector;
            parameter.Value = New(parameter.Shape, vector ? DType.F32 : parameter.Stored);
            if (one.Type != parameter.Value.DType)
            {
                Kernels.Copy(parameter.Value, New(parameter.Shape, one.Type));
            }

            foreach (DType narrow in vector ? (DType[])[DType.F16, DType.BF16] : [])
            {
                Kernels.Copy(New(parameter.Shape, narrow), parameter.Value);
            }
        }
    }

    public override long ParameterBytes(ParameterKind kind, Shape shape, DType stored) =>
        shape.Count * (kind == ParameterKind.Vector ? DType.F32 : stored).Size();

    public override void Dispose()
    {
    }

    protected override void CopyIn(Tensor destination, ReadOnlySpan<byte> source)
    {
    }

    protected override void CopyOut(Span<byte> destination, Tensor source) => destination.Clear();

    Tensor New(Shape shape, DType type) => new(Allocate(shape.Count * type.Size()), 0, shape, type);

    sealed unsafe class PlannedQueue(LaunchNotes notes, HashSet<Product> products) : LaunchQueue
    {
        public override void Launch(in Variant variant, void* args, int argsBytes, Grid grid, int threads, int sharedBytes)
        {
            if (notes.Taking)
            {
                notes.Add(variant, args, argsBytes, grid, threads, sharedBytes);
            }
        }

        /// <summary>Whether cuBLASLt is there, nobody knows: the plan has own kernels.</summary>
        public override bool Multiply(in Product product, in Operands operands, Tensor bias, Action<nint, DType, Tensor> convert)
        {
            products.Add(ProductTable.OfImage(product));
            return false;
        }

        public override void Wait()
        {
        }

        public override nint Scratch(long bytes) => 1 << 20;
    }
}
