namespace JeDi.Tensors;

/// <summary>
/// A recorded step. The first <see cref="Run"/> is the warm-up (compiles, sizes arenas, prepares weights); from the second on a
/// device may replay what it captured. Whatever changes between runs lives in device memory, never in kernel arguments.
/// </summary>
public abstract class Replay : IDisposable
{
    /// <summary>Runs the step once.</summary>
    public abstract void Run();

    /// <summary>Gives the recording back.</summary>
    public abstract void Dispose();
}

/// <summary>A step on a device without graphs: each run is a plain call.</summary>
public sealed class PlainReplay(Action step) : Replay
{
    /// <inheritdoc/>
    public override void Run() => step();

    /// <inheritdoc/>
    public override void Dispose()
    {
    }
}
