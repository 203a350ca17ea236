namespace JeDi.Evaluation;

/// <summary>A measure's mean over pictures, with its standard error (the deviation over the root of their number).</summary>
/// <param name="Mean">Cosines; 1 is equal.</param>
/// <param name="Error">0 for a single picture.</param>
/// <param name="Pictures">Generated pictures that it is over.</param>
public sealed record Score(double Mean, double Error, int Pictures)
{
    /// <returns>Null without values.</returns>
    public static Score? Of(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0)
        {
            return null;
        }

        double mean = values.Average();
        double squares = values.Sum(value => (value - mean) * (value - mean));
        return new Score(mean, values.Count > 1 ? Math.Sqrt(squares / (values.Count - 1) / values.Count) : 0, values.Count);
    }
}

/// <summary>
/// What the papers report: CLIP-T, the mean cosine of picture and prompt; CLIP-I and DINO, that of generated and real pictures of the
/// subject, over all pairs; MCLIP-I and MDINO, the same where both are black outside their masks. Null: not measured.
/// </summary>
/// <param name="Subject">Whose; the total's is "all".</param>
public sealed record Scores(string Subject, Score? ClipT, Score? ClipI, Score? MaskedClipI, Score? Dino, Score? MaskedDino)
{
    /// <summary>Names of the measures as the papers write them, in the order of <see cref="All"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = ["CLIP-T", "CLIP-I", "MCLIP-I", "DINO", "MDINO"];

    public IReadOnlyList<Score?> All => [ClipT, ClipI, MaskedClipI, Dino, MaskedDino];
}

/// <summary>Scores of every subject, and of all: the mean over subjects, so that one with many pictures does not count for more.</summary>
/// <param name="Subjects">By name.</param>
/// <param name="Total">Means over the subjects that have a measure; its error is that over subjects.</param>
/// <param name="WithoutMask">
/// Generated pictures that the masked measures leave out, since they or all their references have no mask.
/// </param>
public sealed record EvaluationResult(IReadOnlyList<Scores> Subjects, Scores Total, int WithoutMask);
