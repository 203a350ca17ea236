using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// A pool of threads for jobs of many equal blocks. The caller works too. Each thread has a stretch of the blocks of its own, the same
/// share in every job, so that what it reads was often written by itself: processors may have no cache in common. When its stretch is done
/// it takes blocks of the others'. Threads spin for a moment after a job and then sleep. <see cref="Run"/> allocates nothing. Several
/// callers may share a pool: their jobs run one after the other. A job started from inside a block runs on that block's thread.
/// </summary>
public sealed unsafe class Threads
{
    // About 0.2 ms: longer than the gaps between the kernels of a step, short enough not to keep an idle machine busy.
    const int SpinsBeforeSleep = 2000;
    const int SpinIterations = 20;

    // Words of a cache line, and of the one that is fetched beside it.
    const int LineWords = 16;

    [ThreadStatic]
    static Worker? current;

    readonly Lock gate = new();
    readonly Worker[] workers;
    readonly Sleeper[] sleepers;

    // A word for each thread, a cache line apart. Upper half: number of the job. Lower half: blocks of its stretch not yet taken. One word,
    // so that a thread that comes late can neither take a block of the next job with this job's parameters nor find blocks where there are
    // none.
    readonly ulong[] tickets;

    // Blocks done, a cache line apart from all that is read at each block.
    readonly int[] done = new int[3 * LineWords];
    delegate*<void*, int, Worker, void> body;
    void* context;
    int count;
    bool descending;
    uint jobs;
    ExceptionDispatchInfo? failure;
    StopFlag? stop;
    volatile bool closing;
    volatile int guests;

    /// <summary>Starts <paramref name="count"/> - 1 background threads.</summary>
    public Threads(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        tickets = new ulong[count * LineWords];
        workers = [.. Enumerable.Range(0, count).Select(index => new Worker(this, index))];
        sleepers = [.. Enumerable.Range(1, count - 1).Select(_ => new Sleeper())];
        for (int i = 1; i < count; i++)
        {
            Worker served = workers[i];
            Sleeper sleeper = sleepers[i - 1];
            new Thread(() => Serve(served, sleeper)) { IsBackground = true, Name = $"jedi-cpu-{i}" }.Start();
        }
    }

    /// <summary>Threads that work on a job, the caller included.</summary>
    public int Count => workers.Length;

    /// <summary>Runs blocks 0 to <paramref name="blocks"/> - 1 of the job and returns when all are done.</summary>
    /// <param name="descending">Each thread begins with the last block of its stretch: what the job before has read last.</param>
    /// <exception cref="Exception">The first exception of a block, after the other blocks have ended.</exception>
    /// <exception cref="OperationCanceledException">The caller's <see cref="StopFlag"/> was set: blocks were left out.</exception>
    public void Run<TJob>(int blocks, TJob job, bool descending = false) where TJob : struct, IJob
    {
        if (blocks <= 0)
        {
            return;
        }

        StopFlag? watched = StopFlag.Current;
        if (current is { } worker && worker.Pool == this)
        {
            RunAll(blocks, ref job, worker, stop, descending);
            return;
        }

        lock (gate)
        {
            Worker? before = current;
            current = workers[0];
            try
            {
                if (workers.Length == 1 || blocks == 1)
                {
                    RunAll(blocks, ref job, workers[0], watched, descending);
                }
                else
                {
                    stop = watched;
                    RunShared(blocks, Unsafe.AsPointer(ref job), &Invoke<TJob>, descending);
                }
            }
            finally
            {
                current = before;
                stop = null;
            }

            watched?.ThrowIfSet();
        }
    }

    /// <summary>Until <see cref="EndSharing"/> others use the processors too: a thread without work sleeps at once.</summary>
    public void BeginSharing() => Interlocked.Increment(ref guests);

    /// <summary>One of the others has ended.</summary>
    public void EndSharing() => Interlocked.Decrement(ref guests);

    /// <summary>Ends the threads and frees their scratch memory. No job may run.</summary>
    public void Close()
    {
        closing = true;
        foreach (Sleeper sleeper in sleepers)
        {
            sleeper.Wake();
        }

        foreach (Sleeper sleeper in sleepers)
        {
            sleeper.Ended.Wait();
        }

        foreach (Worker worker in workers)
        {
            worker.Free();
        }
    }

    static void Invoke<TJob>(void* job, int index, Worker worker) where TJob : struct, IJob =>
        Unsafe.AsRef<TJob>(job).Run(index, worker);

    static void RunAll<TJob>(int blocks, ref TJob job, Worker worker, StopFlag? stop, bool fromEnd) where TJob : struct, IJob
    {
        for (int i = 0; i < blocks && stop?.IsSet != true; i++)
        {
            job.Run(fromEnd ? blocks - 1 - i : i, worker);
        }
    }

    void RunShared(int blocks, void* job, delegate*<void*, int, Worker, void> invoke, bool fromEnd)
    {
        body = invoke;
        context = job;
        count = blocks;
        descending = fromEnd;
        failure = null;
        Volatile.Write(ref Done, 0);
        jobs++;
        for (int i = 0; i < workers.Length; i++)
        {
            int own = Partition.Start(blocks, workers.Length, i + 1) - Partition.Start(blocks, workers.Length, i);
            Interlocked.Exchange(ref Ticket(i), ((ulong)jobs << 32) | (uint)own);
        }

        for (int i = 0; i < sleepers.Length && i < blocks - 1; i++)
        {
            sleepers[i].WakeIfAsleep();
        }

        TakeBlocks(workers[0]);
        var spin = new SpinWait();
        while (Volatile.Read(ref Done) < blocks)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        failure?.Throw();
    }

    ref int Done => ref done[2 * LineWords];

    ref ulong Ticket(int worker) => ref tickets[worker * LineWords];

    /// <summary>Counts what it did once for each stretch: until it has, the job cannot end, so that all of it is this job's.</summary>
    void TakeBlocks(Worker worker)
    {
        for (int i = 0; i < workers.Length; i++)
        {
            int owner = (worker.Index + i) % workers.Length;
            int taken = 0;
            while (TakeBlock(owner, worker, ref taken))
            {
            }

            if (taken > 0)
            {
                Interlocked.Add(ref Done, taken);
            }
        }
    }

    /// <summary>A block of a thread's stretch; false where none is left.</summary>
    bool TakeBlock(int owner, Worker worker, ref int taken)
    {
        ulong seen = Volatile.Read(ref Ticket(owner));
        int left = (int)(uint)seen;
        if (left == 0)
        {
            return false;
        }

        // Read between the two looks at the ticket: if it has not moved, they belong to its job.
        var invoke = body;
        void* job = context;
        int index = descending
            ? Partition.Start(count, workers.Length, owner) + left - 1
            : Partition.Start(count, workers.Length, owner + 1) - left;
        if (Interlocked.CompareExchange(ref Ticket(owner), seen - 1, seen) != seen)
        {
            return true;
        }

        try
        {
            if (stop?.IsSet != true)
            {
                invoke(job, index, worker);
            }
        }
        catch (Exception error)
        {
            Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(error), null);
        }

        taken++;
        return true;
    }

    void Serve(Worker worker, Sleeper sleeper)
    {
        current = worker;
        ref ulong ticket = ref Ticket(worker.Index);
        while (!closing)
        {
            TakeBlocks(worker);
            ulong idle = Volatile.Read(ref ticket);
            for (int spins = 0; spins < SpinsBeforeSleep && guests == 0 && Volatile.Read(ref ticket) == idle && !closing; spins++)
            {
                Thread.SpinWait(SpinIterations);
            }

            if (Volatile.Read(ref ticket) == idle && (uint)idle == 0 && !closing)
            {
                sleeper.Sleep(ref ticket, idle);
            }
        }

        sleeper.Ended.Release();
    }

    /// <summary>Where a thread sleeps.</summary>
    sealed class Sleeper
    {
        readonly SemaphoreSlim signal = new(0);
        int asleep;

        public SemaphoreSlim Ended { get; } = new(0);

        public void Sleep(ref ulong ticket, ulong idle)
        {
            Interlocked.Exchange(ref asleep, 1);
            if (Volatile.Read(ref ticket) == idle || Interlocked.Exchange(ref asleep, 0) == 0)
            {
                signal.Wait();
            }
        }

        public void WakeIfAsleep()
        {
            if (Volatile.Read(ref asleep) == 1)
            {
                Wake();
            }
        }

        public void Wake()
        {
            Interlocked.Exchange(ref asleep, 0);
            signal.Release();
        }
    }
}
