using JeDi.Sampling;

namespace JeDi;

/// <summary>What a session will take, known before any of it is taken.</summary>
/// <param name="ArenaBytes">Latents, tables, and the largest set of temporaries at any moment.</param>
/// <param name="PreparedBytes">What the first run prepares from the weights (transformed filters) and keeps.</param>
/// <param name="HostBytes">Noise and collected correspondences, in host memory.</param>
/// <param name="AvailableBytes">What the system has left.</param>
public sealed record MemoryPlan(long ArenaBytes, long PreparedBytes, long HostBytes, long AvailableBytes)
{
    /// <summary>What the runtime takes beside the process's start: compiled code, its collector's room.</summary>
    internal const long RuntimeBytes = 30L << 20;

    /// <summary>Weights in memory at the widest moment, which are there already or on their way.</summary>
    public long WeightBytes { get; init; }

    /// <summary>Scratch memory of the kernels.</summary>
    public long ScratchBytes { get; init; }

    /// <summary>The process without model and session.</summary>
    public long ProcessBytes { get; init; }

    /// <summary>With low memory, bytes of the arena in each phase.</summary>
    internal IReadOnlyDictionary<NetworkPart, long> Phases { get; init; } = new Dictionary<NetworkPart, long>();

    /// <summary>What a session takes beyond the weights.</summary>
    public long NeededBytes => ArenaBytes + PreparedBytes + HostBytes + ScratchBytes;

    /// <summary>The largest size that the process will have.</summary>
    public long PeakBytes => NeededBytes + WeightBytes + ProcessBytes;

    /// <summary>Whether that is there.</summary>
    public bool Fits => NeededBytes <= AvailableBytes;

    /// <summary>One line: the peak and its parts.</summary>
    public string Summary => $"memory: {Megabytes(PeakBytes)} (weights {Megabytes(WeightBytes)}, "
        + $"images {Megabytes(ArenaBytes + HostBytes)}, kernels {Megabytes(ScratchBytes)}, "
        + (PreparedBytes > 0 ? $"kept filters {Megabytes(PreparedBytes)}, " : "")
        + $"program {Megabytes(ProcessBytes)})";

    /// <summary>One line that says how much is needed and how much there is, and what would help.</summary>
    public string Advice => $"not enough memory: {Megabytes(NeededBytes)} needed ({Megabytes(ArenaBytes + HostBytes)} for the images, "
        + $"{Megabytes(ScratchBytes + PreparedBytes)} for kernels and kept filters), {Megabytes(AvailableBytes)} available; "
        + "try EngineOptions.LowMemory = true, "
        + (PreparedBytes > 0 ? "EngineOptions.KeptFilterBytes = 0, " : "")
        + "SessionShape.VaeTiling = true, fewer references or targets, or a smaller size";

    static string Megabytes(long bytes) => $"{Math.Ceiling(bytes / (double)(1 << 20)):0} MB";
}
