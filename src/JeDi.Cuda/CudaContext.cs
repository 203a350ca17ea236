using System.Runtime.InteropServices;
using JeDi.Cuda.Compiling;
using JeDi.Cuda.Native;
using JeDi.Cuda.Planning;
using JeDi.Cuda.Products;

namespace JeDi.Cuda;

/// <summary>
/// What all queues of one GPU share: the driver's context, the loaded kernels, and whether an error has ended it. Kept while anybody
/// holds it.
/// </summary>
sealed unsafe class CudaContext
{
    /// <summary>CUDA 11.4: the first with all functions that are in use.</summary>
    const int OldestDriver = 11040;
    const int OldestCapability = 80;
    static readonly Lock gate = new();
    static readonly Dictionary<int, CudaContext> open = [];

    [ThreadStatic]
    static nint current;

    readonly int device;
    readonly nint handle;
    int holders;

    CudaContext(int ordinal)
    {
        Ordinal = ordinal;
        int found;
        Driver.cuDeviceGet(&found, ordinal).Check();
        device = found;
        byte* name = stackalloc byte[256];
        Driver.cuDeviceGetName(name, 256, device).Check();
        Name = Marshal.PtrToStringUTF8((nint)name)!;
        Capability = 10 * Attribute(DeviceAttribute.ComputeCapabilityMajor) + Attribute(DeviceAttribute.ComputeCapabilityMinor);
        if (Capability < OldestCapability)
        {
            throw new CudaException($"cuda:{ordinal}: {Name} has compute capability {Capability / 10}.{Capability % 10}, 8.0 (Ampere) or "
                + "later is needed; use EngineOptions.Device = cpu");
        }

        if (!Compiler.IsThere && KernelCache.Prebuilt is null)
        {
            throw new CudaException(Compiler.Missing);
        }

        Gpu = new GpuModel(
            Name, Capability, Attribute(DeviceAttribute.MultiprocessorCount), Attribute(DeviceAttribute.MaxSharedMemoryPerBlockOptin));
        nint context;
        Driver.cuDevicePrimaryCtxRetain(&context, device).Check();
        handle = context;
        Modules = new Modules(this);
        NarrowVectors = new NarrowVectors(this);
    }

    public int Ordinal { get; }

    public string Name { get; }

    /// <summary>10 x major + minor.</summary>
    public int Capability { get; }

    public GpuModel Gpu { get; }

    public Modules Modules { get; }

    public NarrowVectors NarrowVectors { get; }

    /// <summary>The error that ended this device; null while it works.</summary>
    public string? Ended { get; private set; }

    /// <summary>GPUs that this process may use.</summary>
    /// <exception cref="CudaException">No driver, too old a driver, or no GPU: says what to do.</exception>
    public static int Count()
    {
        if (!Libraries.HasDriver)
        {
            throw new CudaException(Libraries.Simulated
                ? $"the simulator libjedisim.so was not found; build it (README.md) or name it in {Libraries.SimulatorVariable}"
                : "the driver library libcuda.so.1 was not found; install the NVIDIA driver or use EngineOptions.Device = cpu");
        }

        CudaResult started = Driver.cuInit(0);
        if (started == CudaResult.NoDevice)
        {
            throw new CudaException(NoDevice());
        }

        started.Check("cuInit (");
        int version, count;
        Driver.cuDriverGetVersion(&version).Check();
        if (version < OldestDriver)
        {
            throw new CudaException(
                $"the NVIDIA driver supports CUDA {Text(version)}, {Text(OldestDriver)} is needed; install a newer one");
        }

        Driver.cuDeviceGetCount(&count).Check();
        return count > 0 ? count : throw new CudaException(NoDevice());
    }

    /// <summary>The context of a GPU, made at its first use.</summary>
    public static CudaContext Hold(int ordinal)
    {
        lock (gate)
        {
            int count = Count();
            if (ordinal >= count)
            {
                throw new CudaException($"cuda:{ordinal}: there {(count == 1 ? "is 1 GPU" : $"are {count} GPUs")}, counted from 0"
                    + (Visible is null ? "" : $"; CUDA_VISIBLE_DEVICES is {Visible}"));
            }

            if (!open.TryGetValue(ordinal, out CudaContext? context))
            {
                open[ordinal] = context = new CudaContext(ordinal);
            }

            context.holders++;
            context.Enter();
            return context;
        }
    }

    public void Release()
    {
        lock (gate)
        {
            if (--holders > 0)
            {
                return;
            }

            if (Ended is null)
            {
                Enter();
                NarrowVectors.Clear();
                Modules.Unload();
            }

            open.Remove(Ordinal);
            Driver.cuDevicePrimaryCtxRelease_v2(device);
            current = 0;
        }
    }

    /// <summary>Makes the calls of this thread go to this GPU.</summary>
    /// <exception cref="CudaException">An error has ended the device.</exception>
    public void Enter()
    {
        if (Ended is not null)
        {
            throw new CudaException(Ended);
        }

        if (current != handle)
        {
            Driver.cuCtxSetCurrent(handle).Check();
            current = handle;
        }
    }

    /// <summary>Checks a result of the device's work: an error after which nothing on it can be trusted ends it.</summary>
    public void Check(CudaResult result, string call)
    {
        if (result == CudaResult.Success)
        {
            return;
        }

        try
        {
            result.Check(call);
        }
        catch (CudaException error) when (result.IsSticky())
        {
            Ended ??= $"cuda:{Ordinal} ({Name}) ended: {error.Message}";
            throw new CudaException(Ended, result);
        }
    }

    public (long Free, long Total) Memory()
    {
        Enter();
        nuint free, total;
        Driver.cuMemGetInfo_v2(&free, &total).Check();
        return ((long)free, (long)total);
    }

    /// <summary>E.g. 12040 as "12.4".</summary>
    public static string Text(int version) => $"{version / 1000}.{version % 1000 / 10}";

    static string? Visible => Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES");

    static string NoDevice() => "the NVIDIA driver sees no GPU"
        + (Visible is null ? "" : $" (CUDA_VISIBLE_DEVICES is '{Visible}')") + "; use EngineOptions.Device = cpu";

    int Attribute(DeviceAttribute attribute)
    {
        int value;
        Driver.cuDeviceGetAttribute(&value, attribute, device).Check();
        return value;
    }
}
