namespace JeDi.Cuda;

/// <summary>Something about the GPU, its driver or its libraries: one line that says what, and what to do.</summary>
public sealed class CudaException : JeDiException
{
    public CudaException(string message)
        : base(message)
    {
    }

    internal CudaException(string message, Native.CudaResult result)
        : base(message) => Result = result;

    internal Native.CudaResult Result { get; }
}
