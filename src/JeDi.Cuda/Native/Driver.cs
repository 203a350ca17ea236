using System.Runtime.InteropServices;

namespace JeDi.Cuda.Native;

/// <summary>The CUDA driver's functions that are in use, by their exact names (cuda.h of CUDA 11.4 and later).</summary>
static unsafe partial class Driver
{
    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuInit(uint flags);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuDriverGetVersion(int* version);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuGetErrorName(CudaResult error, byte** text);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuGetErrorString(CudaResult error, byte** text);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuDeviceGetCount(int* count);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuDeviceGet(int* device, int ordinal);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuDeviceGetAttribute(int* value, DeviceAttribute attribute, int device);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuDeviceTotalMem_v2(nuint* bytes, int device);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuDevicePrimaryCtxRetain(nint* context, int device);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuDevicePrimaryCtxRelease_v2(int device);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuCtxSetCurrent(nint context);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemGetInfo_v2(nuint* free, nuint* total);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemAlloc_v2(nint* address, nuint bytes);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemFree_v2(nint address);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemHostAlloc(void** address, nuint bytes, uint flags);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemFreeHost(void* address);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemcpyHtoDAsync_v2(nint destination, void* source, nuint bytes, nint stream);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemcpyDtoHAsync_v2(void* destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemcpyDtoDAsync_v2(nint destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuMemsetD8Async(nint destination, byte value, nuint count, nint stream);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuStreamCreate(nint* stream, uint flags);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuStreamDestroy_v2(nint stream);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuStreamSynchronize(nint stream);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuStreamBeginCapture_v2(nint stream, CaptureMode mode);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuStreamEndCapture(nint stream, nint* graph);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuGraphInstantiateWithFlags(nint* executable, nint graph, ulong flags);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuGraphGetNodes(nint graph, nint* nodes, nuint* count);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuGraphLaunch(nint executable, nint stream);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuGraphExecDestroy(nint executable);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuGraphDestroy(nint graph);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuEventCreate(nint* handle, uint flags);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuEventDestroy_v2(nint handle);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuEventRecord(nint handle, nint stream);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuEventSynchronize(nint handle);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuEventElapsedTime(float* milliseconds, nint start, nint end);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuModuleLoadData(nint* module, void* image);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuModuleUnload(nint module);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuModuleGetFunction(nint* function, nint module, byte* name);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuFuncSetAttribute(nint function, FunctionAttribute attribute, int value);

    [LibraryImport(Libraries.Driver)]
    public static partial CudaResult cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        void** parameters, void** extra);
}

/// <summary>Values of CUdevice_attribute.</summary>
enum DeviceAttribute
{
    MultiprocessorCount = 16,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaxSharedMemoryPerBlockOptin = 97,
}

/// <summary>Values of CUfunction_attribute.</summary>
enum FunctionAttribute
{
    MaxDynamicSharedSizeBytes = 8,
}

/// <summary>Values of CUstreamCaptureMode.</summary>
enum CaptureMode
{
    /// <summary>Calls of this thread that cannot be captured fail; other threads may do what they like.</summary>
    ThreadLocal = 1,
}
