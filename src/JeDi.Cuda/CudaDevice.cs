using JeDi.Cuda.Native;
using JeDi.Cuda.Planning;
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
    readonly StreamQueue queue;
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
        queue = new StreamQueue(this, context, stream);
        kernels = new CudaKernels(queue, context.Gpu);
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
        NotWhileRecording("loading");
        context.Enter();
        new ParameterLoader(this, staging).Load(wanted, stop);
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

            queue.Dispose();
            staging.Dispose();
            Driver.cuStreamDestroy_v2(stream);
        }

        context.Release();
    }

    /// <summary>A vector has other values from now on.</summary>
    internal void Changed(Tensor vector) => context.NarrowVectors.Drop(vector.Address);

    /// <summary>What its work is given to.</summary>
    internal nint Stream => stream;

    /// <summary>What the shape of a launch depends on.</summary>
    internal GpuModel Gpu => context.Gpu;

    /// <summary>Of launches that a rehearsal notes.</summary>
    internal LaunchNotes Notes => queue.Notes;

    /// <summary>Runs a step without the device and compiles, on all processors, what it will launch.</summary>
    internal IReadOnlyList<PlannedLaunch> Rehearse(Action step)
    {
        IReadOnlyList<PlannedLaunch> launches = Notes.Of(step);
        queue.Prepare(launches);
        return launches;
    }

    /// <summary>Makes a launch that was noted, again.</summary>
    internal void Launch(PlannedLaunch launch)
    {
        if (launch.Library is not null)
        {
            launch.Library();
            return;
        }

        fixed (byte* args = launch.Args)
        {
            queue.Launch(launch.Variant, args, launch.Args.Length, launch.Grid, launch.Threads, launch.SharedBytes);
        }
    }

    /// <summary>What work gives, none of whose products goes to cuBLASLt.</summary>
    internal T WithOwnProducts<T>(Func<T> work)
    {
        bool before = kernels.OwnProducts;
        kernels.OwnProducts = true;
        try
        {
            return work();
        }
        finally
        {
            kernels.OwnProducts = before;
        }
    }

    /// <summary>Seconds of work on this queue, by the device's clock.</summary>
    internal double Seconds(Action work)
    {
        context.Enter();
        nint start, end;
        Driver.cuEventCreate(&start, 0).Check();
        Driver.cuEventCreate(&end, 0).Check();
        try
        {
            context.Check(Driver.cuEventRecord(start, stream), "cuEventRecord (");
            work();
            context.Check(Driver.cuEventRecord(end, stream), "cuEventRecord (");
            context.Check(Driver.cuEventSynchronize(end), "cuEventSynchronize (");
            float milliseconds;
            Driver.cuEventElapsedTime(&milliseconds, start, end).Check();
            return milliseconds / 1000;
        }
        finally
        {
            Driver.cuEventDestroy_v2(start);
            Driver.cuEventDestroy_v2(end);
        }
    }

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
