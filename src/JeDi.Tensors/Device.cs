using System.Runtime.InteropServices;

namespace JeDi.Tensors;

/// <summary>Owns memory, its kernels and the order of work on one processor. Models and samplers see nothing else of it.</summary>
public abstract class Device : IDisposable
{
    /// <summary>What a person calls it, e.g. "AMD EPYC, AVX-512, 2 threads".</summary>
    public abstract string Name { get; }

    /// <summary>The op seam.</summary>
    public abstract Kernels Kernels { get; }

    /// <summary>The backward seam.</summary>
    /// <exception cref="NotSupportedException">The device has none; the message is one line.</exception>
    public virtual Gradients Gradients => throw new NotSupportedException($"{Name} computes no gradients; train on the CPU");

    /// <summary>Bytes that can still be allocated, as far as the system tells.</summary>
    public abstract long AvailableBytes { get; }

    /// <exception cref="OutOfDeviceMemoryException">With needed and available bytes.</exception>
    public abstract DeviceMemory Allocate(long bytes);

    /// <summary>Gives an allocation back.</summary>
    public abstract void Free(DeviceMemory memory);

    /// <summary>Sets every byte of the tensor.</summary>
    public abstract void Fill(Tensor tensor, byte value);

    /// <summary>Host bytes into a tensor; the source may change when it returns.</summary>
    protected abstract void CopyIn(Tensor destination, ReadOnlySpan<byte> source);

    /// <summary>A tensor into host bytes, after all work before it.</summary>
    protected abstract void CopyOut(Span<byte> destination, Tensor source);

    /// <summary>Waits until everything submitted so far is done.</summary>
    public abstract void Synchronize();

    /// <summary>
    /// This device for one session: memory and weights are shared, the order of work and scratch memory are its own. A device that has
    /// neither gives itself.
    /// </summary>
    public virtual Device ForSession() => this;

    /// <summary>
    /// Whether <see cref="Record"/> captures, so that each step wants a first and a second run before it is as fast as it gets.
    /// </summary>
    public virtual bool Captures => false;

    /// <summary>Prepares a step for repetition: see <see cref="Replay"/>.</summary>
    public abstract Replay Record(Action step);

    /// <summary>
    /// Gives parameters their values, in the order given (that of the files), with all threads: each is read, turned and brought into the
    /// form this device computes with in one pass. A parameter that has room already (<see cref="FlatParameters"/>) gets its F32 value
    /// there. Other work may go on meanwhile, on parameters that are filled.
    /// </summary>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was cancelled.</exception>
    public abstract void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default);

    /// <summary>Whether kernels may run on other threads while parameters are loaded.</summary>
    public virtual bool ComputesWhileLoading => false;

    /// <summary>
    /// A parameter from host memory: <paramref name="values"/> are row-major in <paramref name="shape"/>, of element type
    /// <paramref name="stored"/>.
    /// </summary>
    public Parameter Load(string name, ParameterKind kind, Shape shape, DType stored, ReadOnlySpan<byte> values)
    {
        long expected = shape.Count * stored.Size();
        if (values.Length != expected)
        {
            throw new ArgumentException($"'{name}' {stored}{shape} takes {expected} bytes, got {values.Length}");
        }

        var parameter = new Parameter(name, kind, shape, stored);
        Load([new WantedParameter(parameter, new HostSource(values.ToArray()), default, stored, Turned: true)]);
        return parameter;
    }

    /// <summary>Bytes that <see cref="Load(IReadOnlyList{WantedParameter}, CancellationToken)"/> keeps for such a weight.</summary>
    public abstract long ParameterBytes(ParameterKind kind, Shape shape, DType stored);

    /// <summary>
    /// Bytes of a form of the filter that a convolution of this input shape would keep if there is room for it within
    /// <see cref="KeptFilterBytes"/>, e.g. its Winograd transform; 0 if none or if it is there.
    /// </summary>
    public virtual long PreparedFilterBytes(Parameter filter, Shape input, ConvGeometry geometry) => 0;

    /// <summary>Most bytes of forms that convolutions keep though they could do without; changes no result.</summary>
    public long KeptFilterBytes { get; set; }

    /// <summary>Bytes of scratch memory, beside the arena, that a convolution of this input shape takes.</summary>
    public virtual long ScratchBytes(Parameter filter, Shape input, ConvGeometry geometry) => 0;

    /// <summary>
    /// Bytes of scratch memory, beside the arena, that the gradients of a convolution of this input shape take; of a product for
    /// rows [.., K] and a matrix.
    /// </summary>
    /// <param name="data">The gradient of the input is wanted.</param>
    /// <param name="weight">That of the weight is wanted.</param>
    public virtual long GradientScratchBytes(Parameter w, Shape input, ConvGeometry geometry, bool data, bool weight) => 0;

    /// <summary>Bytes that kernels have prepared from weights so far and keep.</summary>
    public virtual long PreparedBytes => 0;

    /// <summary>Host values into a tensor of the same element size and count.</summary>
    public void Write<T>(Tensor destination, ReadOnlySpan<T> source)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(source);
        if (bytes.Length != destination.Bytes)
        {
            throw new ArgumentException($"{bytes.Length} bytes written to {destination}, which has {destination.Bytes}");
        }

        CopyIn(destination, bytes);
    }

    /// <summary>A tensor's values into host memory of the same size; waits for the work before it.</summary>
    public void Read<T>(Span<T> destination, Tensor source)
        where T : unmanaged
    {
        Span<byte> bytes = MemoryMarshal.AsBytes(destination);
        if (bytes.Length != source.Bytes)
        {
            throw new ArgumentException($"{bytes.Length} bytes read from {source}, which has {source.Bytes}");
        }

        CopyOut(bytes, source);
    }

    /// <summary>A tensor's F32 values as a new array.</summary>
    public float[] ToArray(Tensor source)
    {
        var values = new float[source.Count];
        Read<float>(values, source);
        return values;
    }

    /// <summary>Gives everything back; nothing of the device may be used after it.</summary>
    public abstract void Dispose();
}

/// <summary>An allocation that the device cannot satisfy: needed and available bytes are in the message.</summary>
public sealed class OutOfDeviceMemoryException(string device, long needed, long available)
    : JeDiException($"out of memory on {device}: {needed >> 20} MB needed, {available >> 20} MB available; "
        + "try fewer images, a smaller size or SessionShape.VaeTiling = true");
