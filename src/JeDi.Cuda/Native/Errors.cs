using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace JeDi.Cuda.Native;

/// <summary>CUresult; the names in use.</summary>
enum CudaResult
{
    Success = 0,
    OutOfMemory = 2,
    NoDevice = 100,
    NoBinaryForGpu = 209,
    IllegalAddress = 700,
    LaunchOutOfResources = 701,
    LaunchTimeout = 702,
    Unknown = 999,
}

/// <summary>nvrtcResult.</summary>
enum NvrtcResult
{
    Success = 0,
    Compilation = 6,
}

/// <summary>cublasStatus_t.</summary>
enum CublasResult
{
    Success = 0,
    NotSupported = 15,
}

/// <summary>A return code becomes an exception that has the call's text.</summary>
static unsafe class Errors
{
    public static void Check(this CudaResult result, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != CudaResult.Success)
        {
            throw new CudaException(Message(result, call), result);
        }
    }

    public static void Check(this NvrtcResult result, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != NvrtcResult.Success)
        {
            throw new CudaException($"{Name(call)}: {Text(Nvrtc.nvrtcGetErrorString(result))}");
        }
    }

    public static void Check(this CublasResult result, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != CublasResult.Success)
        {
            throw new CudaException($"{Name(call)}: {Text(CuBlasLt.cublasLtGetStatusName(result))}");
        }
    }

    /// <summary>After such an error nothing on the device can be trusted: every later call on its context fails.</summary>
    public static bool IsSticky(this CudaResult result) => (int)result is 214 or 220 or 226 or (>= 700 and not 701 and < 800) or 999;

    static string Message(CudaResult result, string call)
    {
        byte* name = null;
        byte* text = null;
        Driver.cuGetErrorName(result, &name);
        Driver.cuGetErrorString(result, &text);
        return $"{Name(call)}: {(name is null ? $"error {(int)result}" : Text(name))}{(text is null ? "" : $", {Text(text)}")}";
    }

    /// <summary>The function's name alone: arguments are addresses.</summary>
    static string Name(string call)
    {
        int end = call.IndexOf('(');
        string name = end < 0 ? call : call[..end];
        return name[(name.LastIndexOf('.') + 1)..];
    }

    /// <summary>As one line: the simulator says where, in several.</summary>
    static string Text(byte* text)
    {
        const StringSplitOptions Clean = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
        return string.Join("; ", (Marshal.PtrToStringUTF8((nint)text) ?? "").Split('\n', Clean));
    }
}
