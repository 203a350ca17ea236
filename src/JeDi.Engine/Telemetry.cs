using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace JeDi;

/// <summary>What the engine tells a listener: activities and metrics named "JeDi"; nothing is computed while nobody listens.</summary>
static class Telemetry
{
    public const string Name = "JeDi";

    /// <summary>The activity of a request.</summary>
    public const string Generate = "jedi.generate";

    static readonly Meter Meter = new(Name);

    public static ActivitySource Activities { get; } = new(Name);

    /// <summary>Evaluations of the denoising network.</summary>
    public static Counter<long> Steps { get; } = Meter.CreateCounter<long>("jedi.steps");

    /// <summary>Pictures made.</summary>
    public static Counter<long> Images { get; } = Meter.CreateCounter<long>("jedi.images");

    /// <summary>Seconds of an evaluation.</summary>
    public static Histogram<double> StepSeconds { get; } = Meter.CreateHistogram<double>("jedi.step.duration", "s");
}
