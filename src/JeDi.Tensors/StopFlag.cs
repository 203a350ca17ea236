namespace JeDi.Tensors;

/// <summary>
/// Tells a computation to end: looked at before each operation and, on devices that divide one into blocks, before each block, so that a
/// single operation over a large picture ends soon, too. What it would have computed is then anything; memory, locks and threads are as
/// they were.
/// </summary>
public sealed class StopFlag
{
    [ThreadStatic]
    static StopFlag? current;

    volatile bool isSet;

    /// <summary>The one that computations started on this thread look at; null: none.</summary>
    public static StopFlag? Current => current;

    /// <summary>Whether work is to stop.</summary>
    public bool IsSet => isSet;

    /// <summary>Work is to stop.</summary>
    public void Set() => isSet = true;

    /// <summary>Work may go on.</summary>
    public void Clear() => isSet = false;

    /// <exception cref="OperationCanceledException">It is set.</exception>
    public void ThrowIfSet()
    {
        if (isSet)
        {
            throw new OperationCanceledException("the computation was stopped");
        }
    }

    /// <summary>Makes it the current one of this thread, until the result is disposed.</summary>
    public Watch Enter()
    {
        var watch = new Watch(current);
        current = this;
        return watch;
    }

    /// <summary>Puts the flag back that was current before.</summary>
    public readonly ref struct Watch(StopFlag? before)
    {
        /// <summary>Ends the watch.</summary>
        public void Dispose() => current = before;
    }
}
