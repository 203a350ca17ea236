namespace JeDi.Training;

/// <summary>
/// Batches that are made on another thread while the step before them is computed. What a batch is follows from its numbers alone, so when
/// it was made does not matter.
/// </summary>
/// <param name="make">Makes batch (step, part).</param>
/// <param name="parts">Batches of a step.</param>
sealed class Ahead<T>(Func<long, int, T> make, int parts) : IDisposable
{
    (long Step, int Part) place = (-1, 0);
    Task<T>? made;

    /// <summary>That batch; the next one is begun.</summary>
    /// <exception cref="Exception">What making it threw.</exception>
    /// <exception cref="OperationCanceledException">
    /// A stop came before the batch did, which may be read from a pipe that nobody writes.
    /// </exception>
    public T Take(long step, int part, CancellationToken stop)
    {
        if (made is null || place != (step, part))
        {
            Dispose();
            Begin(step, part);
        }

        WaitHandle.WaitAny([((IAsyncResult)made!).AsyncWaitHandle, stop.WaitHandle]);
        if (!made.IsCompleted)
        {
            stop.ThrowIfCancellationRequested();
        }

        T batch = made.GetAwaiter().GetResult();
        Begin(part + 1 < parts ? step : step + 1, part + 1 < parts ? part + 1 : 0);
        return batch;
    }

    /// <summary>Waits for the batch that is being made and forgets it.</summary>
    public void Dispose()
    {
        if (made is not null)
        {
            // Whatever it threw is thrown again when that batch is wanted.
            ((IAsyncResult)made).AsyncWaitHandle.WaitOne();
            _ = made.Exception;
            made = null;
        }
    }

    void Begin(long step, int part)
    {
        place = (step, part);
        made = Task.Factory.StartNew(() => make(step, part), default, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }
}
