using System.Runtime.InteropServices;

namespace JeDi.Cuda.Native;

/// <summary>NVIDIA's runtime compiler: what is in use of nvrtc.h (11.2 and later).</summary>
static unsafe partial class Nvrtc
{
    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcVersion(int* major, int* minor);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcGetNumSupportedArchs(int* count);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcGetSupportedArchs(int* architectures);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcCreateProgram(
        nint* program, byte* source, byte* name, int headerCount, byte** headers, byte** headerNames);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcDestroyProgram(nint* program);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcCompileProgram(nint program, int optionCount, byte** options);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcGetProgramLogSize(nint program, nuint* bytes);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcGetProgramLog(nint program, byte* log);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcGetPTXSize(nint program, nuint* bytes);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcGetPTX(nint program, byte* ptx);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcGetCUBINSize(nint program, nuint* bytes);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial NvrtcResult nvrtcGetCUBIN(nint program, byte* cubin);

    [LibraryImport(Libraries.Nvrtc)]
    public static partial byte* nvrtcGetErrorString(NvrtcResult result);
}
