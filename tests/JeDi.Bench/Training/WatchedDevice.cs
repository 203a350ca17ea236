using JeDi.Tensors;

namespace JeDi.Bench.Training;

/// <summary>A device whose operations are timed; everything else is another's.</summary>
sealed class WatchedDevice : Device
{
    readonly Device inner;

    public WatchedDevice(Device inner)
    {
        this.inner = inner;
        Times = new StepTimes(inner.Kernels);
        Gradients = Times.Observe(inner.Gradients);
    }

    public StepTimes Times { get; }

    public override string Name => inner.Name;

    public override Kernels Kernels => Times;

    public override Gradients Gradients { get; }

    public override long AvailableBytes => inner.AvailableBytes;

    public override long PreparedBytes => inner.PreparedBytes;

    public override bool ComputesWhileLoading => inner.ComputesWhileLoading;

    public override DeviceMemory Allocate(long bytes) => inner.Allocate(bytes);

    public override void Free(DeviceMemory memory) => inner.Free(memory);

    public override void Fill(Tensor tensor, byte value) => Times.Fill(inner, tensor, value);

    public override void Synchronize() => inner.Synchronize();

    public override Replay Record(Action step) => inner.Record(step);

    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default) => inner.Load(wanted, stop);

    public override long ParameterBytes(ParameterKind kind, Shape shape, DType stored) => inner.ParameterBytes(kind, shape, stored);

    public override long PreparedFilterBytes(Parameter filter, Shape input, ConvGeometry geometry) =>
        inner.PreparedFilterBytes(filter, input, geometry);

    public override long ScratchBytes(Parameter filter, Shape input, ConvGeometry geometry) => inner.ScratchBytes(filter, input, geometry);

    public override long GradientScratchBytes(Parameter w, Shape input, ConvGeometry geometry, bool data, bool weight) =>
        inner.GradientScratchBytes(w, input, geometry, data, weight);

    public override void Dispose() => inner.Dispose();

    protected override void CopyIn(Tensor destination, ReadOnlySpan<byte> source) => inner.Write(destination, source);

    protected override void CopyOut(Span<byte> destination, Tensor source) => inner.Read(destination, source);
}
