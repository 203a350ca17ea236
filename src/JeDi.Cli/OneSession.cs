using JeDi.Cli.Requests;

namespace JeDi.Cli;

/// <summary>The session of the shape that was asked for last: most requests of a run have one shape.</summary>
/// <param name="engine">Prepares it.</param>
/// <param name="latents">Photos encoded at its size, forgotten with it.</param>
sealed class OneSession(JeDiEngine engine, Recent<float[]> latents) : IDisposable
{
    JeDiSession? session;
    SessionShape? prepared;

    public JeDiEngine Engine => engine;

    /// <param name="shape">Of the session.</param>
    /// <param name="planned">Sees what a new one will take, before it is taken.</param>
    public JeDiSession For(SessionShape shape, Action<MemoryPlan> planned)
    {
        if (session is null || shape != prepared)
        {
            Dispose();
            latents.Clear();
            planned(engine.Plan(shape));
            session = engine.Prepare(shape);
            prepared = shape;
        }

        return session;
    }

    public void Dispose()
    {
        session?.Dispose();
        session = null;
    }
}
