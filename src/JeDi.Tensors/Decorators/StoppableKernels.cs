namespace JeDi.Tensors.Decorators;

/// <summary>Lets another thread end a computation before its next operation: a step of a large batch takes minutes on a CPU.</summary>
public sealed class StoppableKernels(Kernels inner) : ObservedKernels(inner)
{
    /// <summary>Current on the thread that computes, it also ends an operation at its next block.</summary>
    public StopFlag Flag { get; } = new();

    /// <summary>From now on operations throw <see cref="OperationCanceledException"/>, until <see cref="Resume"/>.</summary>
    public void Stop() => Flag.Set();

    /// <summary>The next operations run again.</summary>
    public void Resume() => Flag.Clear();

    /// <inheritdoc/>
    protected override long Enter(string op)
    {
        Flag.ThrowIfSet();
        return 0;
    }

    /// <inheritdoc/>
    protected override void Leave(string op, long entered, Tensor result, Tensor input)
    {
    }
}
