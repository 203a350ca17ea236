using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace JeDi.Extensions.Hosting;

/// <summary>
/// Sessions of one engine, kept prepared for the next request of their shape. Safe to use from many threads: as many requests run side by
/// side as <see cref="JeDiOptions.Sessions"/> says, the others wait.
/// </summary>
public sealed class JeDiSessionPool : IDisposable
{
    readonly JeDiOptions options;
    readonly ILogger log;
    readonly SemaphoreSlim turns;
    readonly Lock gate = new();

    /// <summary>The one that was used last stands last.</summary>
    readonly List<(SessionShape Shape, JeDiSession Session)> idle = [];

    int busy;
    bool closed;

    /// <param name="engine">Whose sessions; it must outlive the pool.</param>
    /// <param name="options">How many, and what requests get that say nothing else.</param>
    /// <param name="log">Is told of sessions and requests.</param>
    public JeDiSessionPool(JeDiEngine engine, IOptions<JeDiOptions> options, ILogger<JeDiSessionPool> log)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(log);
        Engine = engine;
        this.options = options.Value;
        this.log = log;
        turns = new SemaphoreSlim(this.options.Sessions);
    }

    /// <summary>Whose sessions these are.</summary>
    public JeDiEngine Engine { get; }

    /// <summary>What a request gets that says nothing else.</summary>
    public SessionShape Shape => options.Shape;

    /// <summary>The pictures of a request, from a session that is there or is made for it.</summary>
    /// <param name="request">The shape takes the numbers of references and prompts from it, and whether it repaints or rescales.</param>
    /// <param name="shape">Size, sampler, steps, guidance; null: <see cref="JeDiOptions.Shape"/>.</param>
    /// <param name="progress">Is told after each evaluation.</param>
    /// <param name="cancellationToken">Ends waiting, and the request at its next operation.</param>
    /// <exception cref="ArgumentException">Something in the request is null or impossible: names it.</exception>
    /// <exception cref="JeDiException">The model cannot do it, or there is not enough memory: says what to change.</exception>
    public async Task<JeDiResult> GenerateAsync(
        JeDiRequest request,
        SessionShape? shape = null,
        IProgress<StepProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(closed, this);
        SessionShape fitting = Engine.ShapeFor(request, shape ?? options.Shape);
        Warn(request);
        try
        {
            return await InTurn(
                fitting,
                async session =>
                {
                    long start = Stopwatch.GetTimestamp();
                    JeDiResult result = await session.GenerateAsync(request, progress, cancellationToken).ConfigureAwait(false);
                    log.Generated(result.Images.Count, Stopwatch.GetElapsedTime(start).TotalSeconds, result.Seeds[0]);
                    return result;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            log.Failed(error);
            throw;
        }
    }

    /// <summary>Prepares a session of <see cref="JeDiOptions.Shape"/> and runs it once.</summary>
    public void WarmUp() => InTurn(
        options.Shape,
        session =>
        {
            session.WarmUp();
            return Task.FromResult(true);
        },
        CancellationToken.None).GetAwaiter().GetResult();

    /// <summary>Gives the memory of all sessions back; one that is in use gives it back when its request has ended.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            closed = true;
        }

        Drop(0);
    }

    async Task<T> InTurn<T>(SessionShape shape, Func<JeDiSession, Task<T>> work, CancellationToken cancellationToken)
    {
        await turns.WaitAsync(cancellationToken).ConfigureAwait(false);
        Interlocked.Increment(ref busy);
        JeDiSession? session = null;
        try
        {
            session = Take(shape) ?? await Task.Run(() => Prepare(shape), cancellationToken).ConfigureAwait(false);
            return await work(session).ConfigureAwait(false);
        }
        finally
        {
            GiveBack(shape, session);
            turns.Release();
        }
    }

    JeDiSession? Take(SessionShape shape)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            int at = idle.FindLastIndex(entry => entry.Shape == shape);
            if (at < 0)
            {
                return null;
            }

            JeDiSession session = idle[at].Session;
            idle.RemoveAt(at);
            return session;
        }
    }

    /// <summary>Makes room first: no more sessions than there may be, and none that waits where memory is short.</summary>
    JeDiSession Prepare(SessionShape shape)
    {
        Drop(options.Sessions - Volatile.Read(ref busy));
        MemoryPlan plan = Engine.Plan(shape);
        if (!plan.Fits)
        {
            Drop(0);
            plan = Engine.Plan(shape);
        }

        JeDiSession session = Engine.Prepare(shape);
        log.Prepared(shape.References, shape.Targets, session.Width, session.Height, plan.Summary);
        return session;
    }

    void GiveBack(SessionShape shape, JeDiSession? session)
    {
        Interlocked.Decrement(ref busy);
        lock (gate)
        {
            if (session is not null && !closed)
            {
                idle.Add((shape, session));
                return;
            }
        }

        session?.Dispose();
    }

    /// <summary>Disposes the sessions that were used longest ago, until so many are idle.</summary>
    void Drop(int left)
    {
        List<(SessionShape, JeDiSession Session)> dropped;
        lock (gate)
        {
            int count = Math.Max(0, idle.Count - Math.Max(0, left));
            dropped = idle[..count];
            idle.RemoveRange(0, count);
        }

        dropped.ForEach(entry => entry.Session.Dispose());
    }

    void Warn(JeDiRequest request)
    {
        if (request.Syntax != PromptSyntax.Plain)
        {
            return;
        }

        foreach (Prompt prompt in request.Prompts.Append(request.Negative))
        {
            IReadOnlyList<string> cut = Engine.WordsCut(prompt.Text);
            if (cut.Count > 0)
            {
                log.Cut(string.Join(' ', cut));
            }
        }
    }
}
