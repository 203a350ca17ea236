using System.Runtime.InteropServices;
using JeDi.Tensors;

namespace JeDi.Tests.Precision;

/// <summary>Another device with a decorator around its kernels; disposes it.</summary>
abstract class WrappedDevice(Device inner) : Device
{
    protected Device Inner => inner;

    public override string Name => inner.Name;

    public override long AvailableBytes => inner.AvailableBytes;

    public override DeviceMemory Allocate(long bytes) => inner.Allocate(bytes);

    public override void Free(DeviceMemory memory) => inner.Free(memory);

    public override void Fill(Tensor tensor, byte value) => inner.Fill(tensor, value);

    public override void Synchronize() => inner.Synchronize();

    public override Replay Record(Action step) => inner.Record(step);

    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default) => inner.Load(wanted, stop);

    public override long ParameterBytes(ParameterKind kind, Shape shape, DType stored) => inner.ParameterBytes(kind, shape, stored);

    public override void Dispose()
    {
        ((IDisposable)Kernels).Dispose();
        inner.Dispose();
    }

    protected override void CopyIn(Tensor destination, ReadOnlySpan<byte> source) => inner.Write(destination, source);

    protected override void CopyOut(Span<byte> destination, Tensor source) => inner.Read(destination, source);
}

/// <summary>A device of half precision for tests that give and take F32 tensors.</summary>
sealed class TypedDevice(Device inner, DType type) : WrappedDevice(inner)
{
    public override Kernels Kernels { get; } = new TypedKernels(inner.Kernels, inner, type);
}

/// <summary>The CPU as a measure: every weight but vectors, every input and every result rounded to the type.</summary>
sealed class RoundedDevice(Device cpu, DType type) : WrappedDevice(cpu)
{
    public override Kernels Kernels { get; } = new RoundedKernels(cpu.Kernels, cpu, type);

    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default) =>
        Inner.Load([.. wanted.Select(Rounded)], stop);

    WantedParameter Rounded(WantedParameter one) => one.Parameter.Kind == ParameterKind.Vector || one.Type != DType.F32
        ? one
        : one with { Source = new RoundedSource(one.Source, type) };

    sealed class RoundedSource(IWeightSource inner, DType type) : IWeightSource
    {
        public string Origin => inner.Origin;

        public bool TryFind(string name, Shape wanted, out Shape stored, out DType found) =>
            inner.TryFind(name, wanted, out stored, out found);

        public void Read(string name, Shape stored, Span<byte> destination, long from)
        {
            inner.Read(name, stored, destination, from);
            foreach (ref float value in MemoryMarshal.Cast<byte, float>(destination))
            {
                value = Rounding.To(type, value);
            }
        }
    }
}
