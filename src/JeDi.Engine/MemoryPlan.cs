namespace JeDi;

/// <summary>What a session will take, known before any of it is taken.</summary>
/// <param name="ArenaBytes">Latents, tables, and the largest set of temporaries at any moment.</param>
/// <param name="PreparedBytes">What the first run prepares from the weights (transformed filters) and keeps.</param>
/// <param name="HostBytes">Noise and collected correspondences, in host memory.</param>
/// <param name="AvailableBytes">What the system has left.</param>
public sealed record MemoryPlan(long ArenaBytes, long PreparedBytes, long HostBytes, long AvailableBytes)
{
    /// <summary>All of it.</summary>
    public long NeededBytes => ArenaBytes + PreparedBytes + HostBytes;

    /// <summary>Whether that is there.</summary>
    public bool Fits => NeededBytes <= AvailableBytes;

    /// <summary>How much is needed and how much there is.</summary>
    public string Shortage => $"not enough memory: {Megabytes(NeededBytes)} needed ({Megabytes(ArenaBytes + HostBytes)} for the images, "
        + $"{Megabytes(PreparedBytes)} for prepared filters), {Megabytes(AvailableBytes)} available";

    /// <summary>One line that says so, and what would help.</summary>
    public string Advice => $"{Shortage}; try {nameof(EngineOptions.Winograd)} = false, {nameof(SessionShape.VaeTiling)} = true, "
        + "fewer references or targets, or a smaller size";

    static string Megabytes(long bytes) => $"{Math.Ceiling(bytes / (double)(1 << 20)):0} MB";
}
