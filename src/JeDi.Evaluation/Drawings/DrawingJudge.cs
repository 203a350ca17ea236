using JeDi.Files.Images;

namespace JeDi.Evaluation.Drawings;

/// <summary>What the rules say about one picture.</summary>
/// <param name="Identified">Its subject is recognised among twenty, by form and colours.</param>
/// <param name="IdentifiedGrey">By form, light and shade alone.</param>
/// <param name="Background">Colour and pattern of the background are those asked for.</param>
/// <param name="Colour">The colour at least.</param>
/// <param name="Correlations">With each reference (<see cref="ShiftCorrelation"/>).</param>
public sealed record DrawingVerdict(
    bool Identified, bool IdentifiedGrey, bool Background, bool Colour, IReadOnlyList<double> Correlations)
{
    /// <param name="picture">A result, or a real picture.</param>
    /// <param name="trial">What was asked for.</param>
    /// <param name="lineup">Who could be meant.</param>
    /// <param name="references">How many of the trial's references the picture was made with.</param>
    public static DrawingVerdict Of(PixelImage picture, DrawingTrial trial, Lineup lineup, int references)
    {
        Backdrop backdrop = Backdrop.Of(picture);
        var seen = new SubjectView(picture, backdrop.Foreground);
        return new DrawingVerdict(
            lineup.Recognises(seen, colours: true),
            lineup.Recognises(seen, colours: false),
            backdrop.Is(trial.Wanted),
            backdrop.Colour == trial.Wanted.Colour,
            [.. trial.References.Take(references)
                .Select(reference => ShiftCorrelation.Largest(picture, backdrop.Foreground, reference))]);
    }
}

/// <summary>Verdicts on many pictures, as shares.</summary>
/// <param name="Identified">Recognised by form and colours.</param>
/// <param name="IdentifiedGrey">By form, light and shade.</param>
/// <param name="Background">The background asked for.</param>
/// <param name="Colour">Its colour.</param>
/// <param name="NoCopy">
/// Pairs of picture and reference whose correlation is below the 95th percentile of that of real pictures and references; without
/// references, of none.
/// </param>
public sealed record DrawingScores(Share Identified, Share IdentifiedGrey, Share Background, Share Colour, Share NoCopy)
{
    const double Percentile = 0.95;

    /// <param name="verdicts">At least one.</param>
    /// <param name="real">Those on real pictures.</param>
    public static DrawingScores Of(IReadOnlyList<DrawingVerdict> verdicts, IReadOnlyList<DrawingVerdict> real)
    {
        double[] ordered = [.. real.SelectMany(verdict => verdict.Correlations).Order()];
        double limit = ordered.Length == 0 ? 1 : ordered[Math.Min(ordered.Length - 1, (int)(Percentile * ordered.Length))];
        return new DrawingScores(
            Share.Of([.. verdicts.Select(verdict => verdict.Identified)]),
            Share.Of([.. verdicts.Select(verdict => verdict.IdentifiedGrey)]),
            Share.Of([.. verdicts.Select(verdict => verdict.Background)]),
            Share.Of([.. verdicts.Select(verdict => verdict.Colour)]),
            Share.Of([.. verdicts.SelectMany(verdict => verdict.Correlations).Select(correlation => correlation < limit)]));
    }
}
