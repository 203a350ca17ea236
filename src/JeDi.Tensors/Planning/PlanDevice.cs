namespace JeDi.Tensors.Planning;

/// <summary>
/// A device that holds no numbers: the same model and sampler code run on it tell, exactly and in milliseconds, how many bytes the
/// target device will need. Its tensors have shapes and no memory behind them.
/// </summary>
public sealed class PlanDevice : Device
{
    readonly HashSet<(Parameter Filter, long Bytes)> prepared = [];
    readonly PlanKernels kernels;
    readonly PlanGradients gradients;
    long next = 1L << 40;

    /// <param name="target">The device that is planned for; null where only names and shapes are wanted.</param>
    public PlanDevice(Device? target)
    {
        Target = target;
        kernels = new PlanKernels(this);
        gradients = new PlanGradients(this);
    }

    /// <summary>The device that is planned for.</summary>
    public Device? Target { get; }

    /// <summary>Bytes of all weights that were loaded.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>Most bytes of scratch memory that one of the target's kernels takes beside the arena.</summary>
    public long ScratchPeak { get; private set; }

    /// <summary>The same of the operations that take gradients back.</summary>
    public long GradientScratchPeak { get; private set; }

    /// <summary>Bytes that the target's kernels would prepare from weights (transformed filters), beyond what is prepared.</summary>
    public override long PreparedBytes => prepared.Sum(form => form.Bytes);

    /// <inheritdoc/>
    public override string Name => $"plan of {Target?.Name ?? "no device"}";

    /// <inheritdoc/>
    public override Kernels Kernels => kernels;

    /// <inheritdoc/>
    public override Gradients Gradients => gradients;

    /// <inheritdoc/>
    public override long AvailableBytes => long.MaxValue;

    /// <inheritdoc/>
    public override DeviceMemory Allocate(long bytes)
    {
        next += bytes;
        return new DeviceMemory(this, (nint)(next - bytes), bytes);
    }

    /// <inheritdoc/>
    public override void Free(DeviceMemory memory)
    {
    }

    /// <inheritdoc/>
    public override void Fill(Tensor tensor, byte value)
    {
    }

    /// <inheritdoc/>
    public override void Synchronize()
    {
    }

    /// <summary>A plan sees every step.</summary>
    public override bool Captures => true;

    /// <inheritdoc/>
    public override Replay Record(Action step) => new PlainReplay(step);

    /// <summary>Counts the bytes; the parameters stay without values.</summary>
    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default) =>
        WeightBytes += wanted.Sum(one => ParameterBytes(one.Parameter.Kind, one.Parameter.Shape, one.Parameter.Stored));

    /// <inheritdoc/>
    public override long ParameterBytes(ParameterKind kind, Shape shape, DType stored) =>
        Target?.ParameterBytes(kind, shape, stored) ?? shape.Count * stored.Size();

    /// <inheritdoc/>
    public override long PreparedFilterBytes(Parameter filter, Shape input, ConvGeometry geometry) =>
        Target?.PreparedFilterBytes(filter, input, geometry) ?? 0;

    /// <inheritdoc/>
    public override void Dispose()
    {
    }

    /// <inheritdoc/>
    protected override void CopyIn(Tensor destination, ReadOnlySpan<byte> source)
    {
    }

    /// <inheritdoc/>
    protected override void CopyOut(Span<byte> destination, Tensor source) => destination.Clear();

    /// <summary>Notes what scratch memory the gradients of a product or a convolution would take.</summary>
    internal void NoteGradient(Parameter w, Shape input, ConvGeometry geometry, bool data, bool weight) => GradientScratchPeak = Math.Max(
        GradientScratchPeak, Target?.GradientScratchBytes(w, input, geometry, data, weight) ?? 0);

    /// <summary>Notes what a convolution would prepare; the forms of one filter differ in size.</summary>
    internal void Prepare(Parameter filter, Shape input, ConvGeometry geometry)
    {
        ScratchPeak = Math.Max(ScratchPeak, Target?.ScratchBytes(filter, input, geometry) ?? 0);
        long bytes = PreparedFilterBytes(filter, input, geometry);
        if (bytes > 0 && Target is not null && Target.PreparedBytes + PreparedBytes + bytes <= Target.KeptFilterBytes)
        {
            prepared.Add((filter, bytes));
        }
    }
}
