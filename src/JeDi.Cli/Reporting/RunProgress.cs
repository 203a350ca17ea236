namespace JeDi.Cli.Reporting;

/// <summary>How far a run is: the steps of all its pictures, their speed and the time left, as plain lines.</summary>
public class RunProgress(Terminal terminal, string unit = "steps", TimeProvider? clock = null)
{
    static readonly TimeSpan pause = TimeSpan.FromSeconds(10);

    readonly TimeProvider time = clock ?? TimeProvider.System;
    long begun;
    long said;

    /// <summary>Steps of the whole run.</summary>
    protected int Total { get; private set; }

    /// <summary>Steps done.</summary>
    protected int Done { get; private set; }

    /// <summary>What is being made, e.g. "picture 2 of 4".</summary>
    protected string What { get; private set; } = "";

    /// <summary>"3.2 steps/s, 8 s left", empty before the first step.</summary>
    protected string Speed => Done == 0 ? "" : $"{PerSecond:0.00} {unit}/s, {Span(TimeSpan.FromSeconds((Total - Done) / PerSecond))} left";

    double PerSecond => Done / Math.Max(1e-9, time.GetElapsedTime(begun).TotalSeconds);

    /// <summary>The display that suits the terminal.</summary>
    /// <param name="terminal">Where it is shown.</param>
    /// <param name="quiet">Say nothing.</param>
    /// <param name="unit">What is counted.</param>
    public static RunProgress For(Terminal terminal, bool quiet, string unit = "steps") =>
        quiet ? new SilentProgress(terminal) : terminal.IsLive ? new BarProgress(terminal, unit) : new RunProgress(terminal, unit);

    /// <summary>Runs <paramref name="work"/> below the display.</summary>
    public virtual Task Run(Func<Task> work) => work();

    /// <summary>A line above the display.</summary>
    public virtual void Say(string line) => terminal.Error.WriteLine(CleanText.Of(line));

    /// <summary>Something that may surprise; silence keeps it.</summary>
    public virtual void Warn(string message) => terminal.Warn(message);

    /// <summary>A line of the result, on standard output.</summary>
    public virtual void Tell(string line)
    {
        terminal.Out.WriteLine(CleanText.Of(line));
        terminal.Out.Flush();
    }

    /// <summary>The next set of pictures begins, of a run of <paramref name="total"/> steps.</summary>
    public void Begin(string what, int total)
    {
        if (Total == 0)
        {
            begun = time.GetTimestamp();
            said = begun;
        }

        What = what;
        Total = total;
        Show();
    }

    /// <summary>So many steps of the whole run are done.</summary>
    public void Step(int done)
    {
        Done = done;
        Show();
    }

    protected virtual void Show()
    {
        if (Done > 0 && time.GetElapsedTime(said) >= pause)
        {
            said = time.GetTimestamp();
            terminal.Error.WriteLine($"{What}: {Done} of {Total} {unit}, {Speed}");
        }
    }

    /// <summary>"48 s", "3 min 05 s", "2 h 07 min".</summary>
    internal static string Span(TimeSpan span) => Math.Ceiling(span.TotalSeconds) switch
    {
        < 60 and double seconds => $"{seconds:0} s",
        < 3600 and double seconds => $"{(int)seconds / 60} min {(int)seconds % 60:00} s",
        double seconds => $"{(long)seconds / 3600} h {(long)seconds % 3600 / 60:00} min",
    };
}

/// <summary>Says nothing.</summary>
public sealed class SilentProgress(Terminal terminal) : RunProgress(terminal)
{
    public override void Say(string line)
    {
    }

    protected override void Show()
    {
    }
}
