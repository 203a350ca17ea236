using JeDi.Tensors;
using JeDi.Tensors.Decorators;

namespace JeDi;

/// <summary>
/// The requests of a session take turns. Closing ends the one that runs at its next block, those that wait at once; whoever ends last
/// gives the memory back.
/// </summary>
/// <param name="owner">For <see cref="ObjectDisposedException"/>.</param>
/// <param name="kernels">Those that all turns compute with.</param>
/// <param name="release">Gives the memory back, once, in the last turn.</param>
/// <param name="forget">Called once after it.</param>
sealed class SessionTurns(string owner, StoppableKernels kernels, Action release, Action forget)
{
    readonly SemaphoreSlim turn = new(1);
    readonly Lock gate = new();
    volatile bool closed;
    bool outside;
    bool released;

    /// <exception cref="ObjectDisposedException">The session is closed.</exception>
    public void ThrowIfClosed()
    {
        if (closed)
        {
            throw new ObjectDisposedException(owner);
        }
    }

    /// <summary>Waits for the turn and works, on a thread of the pool.</summary>
    public Task<T> TakeAsync<T>(Func<T> work, CancellationToken cancellationToken) => Task.Run(
        async () =>
        {
            await turn.WaitAsync(cancellationToken);
            return Work(work, cancellationToken);
        },
        cancellationToken);

    /// <summary>Waits for the turn and works, on this thread.</summary>
    public T Take<T>(Func<T> work, CancellationToken cancellationToken = default)
    {
        turn.Wait(cancellationToken);
        return Work(work, cancellationToken);
    }

    /// <summary>Until the result is disposed the program is called within a turn; it may close the session meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The session is closed.</exception>
    public Call Outside()
    {
        lock (gate)
        {
            ThrowIfClosed();
            outside = true;
        }

        return new Call(this);
    }

    /// <summary>Returns when the memory is given back; within a call of the program at once, and the memory follows.</summary>
    public void Close()
    {
        lock (gate)
        {
            if (closed)
            {
                return;
            }

            closed = true;
            kernels.Stop();
            if (outside)
            {
                return;
            }
        }

        turn.Wait();
        End();
    }

    T Work<T>(Func<T> work, CancellationToken cancellationToken)
    {
        kernels.Resume();
        try
        {
            using StopFlag.Watch watch = kernels.Flag.Enter();
            using CancellationTokenRegistration stop = cancellationToken.Register(kernels.Stop);
            ThrowIfClosed();
            return work();
        }
        catch (OperationCanceledException) when (closed)
        {
            throw new ObjectDisposedException(owner);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        finally
        {
            End();
        }
    }

    /// <summary>Ends a turn; the first one that ends after the session was closed gives the memory back.</summary>
    void End()
    {
        bool last;
        lock (gate)
        {
            last = closed && !released;
            released |= closed;
        }

        if (last)
        {
            release();
        }

        turn.Release();
        if (last)
        {
            forget();
        }
    }

    /// <summary>A call of the program.</summary>
    public readonly ref struct Call(SessionTurns turns)
    {
        public void Dispose()
        {
            lock (turns.gate)
            {
                turns.outside = false;
            }
        }
    }
}
