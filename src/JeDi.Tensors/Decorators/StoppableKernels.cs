namespace JeDi.Tensors.Decorators;

/// <summary>Lets another thread end a computation before its next operation: a step of a large batch takes minutes on a CPU.</summary>
public sealed class StoppableKernels(Kernels inner) : ObservedKernels(inner)
{
    volatile bool stopped;

    /// <summary>From now on operations throw <see cref="OperationCanceledException"/>, until <see cref="Resume"/>.</summary>
    public void Stop() => stopped = true;

    public void Resume() => stopped = false;

    protected override long Enter(string op) => stopped ? throw new OperationCanceledException("the computation was stopped") : 0;

    protected override void Leave(string op, long entered, Tensor result, Tensor input)
    {
    }
}
