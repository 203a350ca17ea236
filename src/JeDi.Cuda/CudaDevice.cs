using JeDi.Cuda.Native;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>
/// A queue of work on an NVIDIA GPU, or on the simulator: a stream with its kernels, scratch memory and pinned staging. Queues of one
/// GPU share its memory and its compiled kernels (<see cref="ForSession"/>), so weights are loaded once. One thread at a time uses a
/// device.
/// </summary>
public sealed unsafe class CudaDevice : Device
{
    readonly CudaContext context;
    readonly nint stream;
    readonly CudaKernels kernels;
    readonly Staging staging;
    readonly HashSet<nint> allocations = [];
    bool closed;

    /// <param name="ordinal">Which GPU, in the driver's order (CUDA_VISIBLE_DEVICES counts).</param>
    /// <param name="compute">Type that matrices, filters and tables are loaded in; null: the one that each is to be kept in.</param>
    /// <exception cref="CudaException">No driver, too old a driver, no such GPU, too old a GPU, no NVRTC: says what to do.</exception>
    public CudaDevice(int ordinal = 0, DType? compute = null)
        : this(CudaContext.Hold(ordinal), compute)
    {
    }

    CudaDevice(CudaContext context, DType? compute)
    {
        this.context = context;
        Compute = compute;
        nint made;
        try
        {
            Driver.cuStreamCreate(&made, NonBlocking).Check();
        }
        catch
        {
            context.Release();
            throw;
        }

        stream = made;
        kernels = new CudaKernels(this, context, stream);
        staging = new Staging(context, stream);
    }

    public override string Name => context.Name;

    public override Kernels Kernels => kernels;

    /// <summary>Element type that matrices, filters and tables are loaded in; null: the one that each is to be kept in.</summary>
    public DType? Compute { get; }

    /// <summary>10 x major + minor of the compute capability, e.g. 90.</summary>
    public int Capability => context.Capability;

    public override long AvailableBytes => context.Memory().Free;

    /// <summary>Allocations that were made so far: a step that is repeated makes none.</summary>
    public long Allocations { get; private set; }

    /// <summary>A step is being captured: what cannot be recorded throws.</summary>
    internal bool Capturing { get; set; }

    public override bool Captures => true;

    /// <summary>Another queue on the same GPU; what this one was given to do is done before.</summary>
    public override Device ForSession()
    {
        Synchronize();
        return new CudaDevice(CudaContext.Hold(context.Ordinal), Compute);
    }

    /// <exception cref="OutOfDeviceMemoryException"/>
    public override DeviceMemory Allocate(long bytes)
    {
        NotWhileRecording("an allocation");
        context.Enter();
        nint address;
        CudaResult result = Driver.cuMemAlloc_v2(&address, (nuint)Math.Max(bytes, 1));
        if (result == CudaResult.OutOfMemory)
        {
            throw new OutOfDeviceMemoryException(Name, bytes, AvailableBytes);
        }

        context.Check(result, "cuMemAlloc (");
        Allocations++;
        lock (allocations)
        {
            allocations.Add(address);
        }

        return new DeviceMemory(this, address, bytes);
    }

    public override void Free(DeviceMemory memory)
    {
        lock (allocations)
        {
            if (!allocations.Remove(memory.Address))
            {
                return;
            }
        }

        if (context.Ended is null)
        {
            context.Enter();
            context.NarrowVectors.Drop(memory.Address);
            context.Check(Driver.cuMemFree_v2(memory.Address), "cuMemFree (");
        }
    }

    public override void Fill(Tensor tensor, byte value)
    {
        context.Enter();
        context.Check(Driver.cuMemsetD8Async(tensor.Address, value, (nuint)tensor.Bytes, stream), "cuMemsetD8Async (");
    }

    public override void Synchronize()
    {
        NotWhileRecording("waiting");
        context.Enter();
        context.Check(Driver.cuStreamSynchronize(stream), "cuStreamSynchronize (");
    }

    public override Replay Record(Action step) => new CudaReplay(this, context, stream, step);

    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default)
    {
        foreach (WantedParameter one in wanted)
        {
            stop.ThrowIfCancellationRequested();
            var values = new byte[one.Parameter.Shape.Count * one.Type.Size()];
            one.Read(0, values);
            if (one.Taps > 1)
            {
                var turned = new byte[values.Length];
                Layouts.OihwToOhwi(values, turned, one.Rows, one.Columns / one.Taps, one.Taps, one.Type.Size());
                values = turned;
            }

            Fill(one.Parameter, one.Type, values);
        }
    }

    /// <summary>Values in the layout of computation to the parameter's room, or to room that is made now.</summary>
    void Fill(Parameter parameter, DType stored, ReadOnlySpan<byte> values)
    {
        if (!parameter.Value.Exists)
        {
            DType type = parameter.Kind == ParameterKind.Vector ? DType.F32 : Compute ?? parameter.Stored;
            parameter.Value = new Tensor(Allocate(parameter.Shape.Count * type.Size()), 0, parameter.Shape, type);
        }

        context.NarrowVectors.Drop(parameter.Value.Address);
        if (parameter.Value.DType == stored)
        {
            CopyIn(parameter.Value, values);
            return;
        }

        DeviceMemory room = Allocate(values.Length);
        var raw = new Tensor(room, 0, parameter.Shape, stored);
        CopyIn(raw, values);
        kernels.Copy(parameter.Value, raw);
        Synchronize();
        Free(room);
    }

    public override long ParameterBytes(ParameterKind kind, Shape shape, DType stored) =>
        shape.Count * (kind == ParameterKind.Vector ? DType.F32 : Compute ?? stored).Size();

    /// <summary>Ends the queue and frees its memory: its tensors and parameters are dead.</summary>
    public override void Dispose()
    {
        if (closed)
        {
            return;
        }

        closed = true;
        if (context.Ended is null)
        {
            context.Enter();
            Driver.cuStreamSynchronize(stream);
            lock (allocations)
            {
                foreach (nint address in allocations)
                {
                    context.NarrowVectors.Drop(address);
                    Driver.cuMemFree_v2(address);
                }

                allocations.Clear();
            }

            kernels.Dispose();
            staging.Dispose();
            Driver.cuStreamDestroy_v2(stream);
        }

        context.Release();
    }

    internal void Rehearse(Action step) => kernels.Rehearse(step);

    protected override void CopyIn(Tensor destination, ReadOnlySpan<byte> source)
    {
        NotWhileRecording("a copy from the host");
        context.Enter();
        staging.In(destination.Address, source);
    }

    protected override void CopyOut(Span<byte> destination, Tensor source)
    {
        NotWhileRecording("a copy to the host");
        context.Enter();
        staging.Out(destination, source.Address);
    }

    void NotWhileRecording(string what)
    {
        if (Capturing)
        {
            throw new InvalidOperationException($"{what} cannot be recorded: a step is being captured on {Name}");
        }
    }

    /// <summary>CU_STREAM_NON_BLOCKING: the default stream is nobody's.</summary>
    const uint NonBlocking = 1;
}
