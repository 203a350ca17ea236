using JeDi.Datasets.Emoji;
using JeDi.Files.Images;

namespace JeDi.Evaluation.Drawings;

/// <summary>One request of the trial: a subject never learnt from, pictures of it, and what is asked for.</summary>
/// <param name="Subject">Whose pictures.</param>
/// <param name="References">Real pictures of it, other ones than <paramref name="Real"/>.</param>
/// <param name="Captions">Of the references.</param>
/// <param name="Prompt">What the new picture is to show.</param>
/// <param name="Wanted">The same as numbers.</param>
/// <param name="Real">A real picture of the subject that shows it: no result can be better than this one.</param>
public sealed record DrawingTrial(
    EmojiSubject Subject,
    IReadOnlyList<PixelImage> References,
    IReadOnlyList<string> Captions,
    string Prompt,
    EmojiLook Wanted,
    PixelImage Real);

/// <summary>Requests about drawings that are held out; each follows from the seed and its number.</summary>
public sealed class DrawingTrials(EmojiLibrary library, long seed)
{
    /// <summary>References that a request can have.</summary>
    public const int MostReferences = 3;

    // The count bounds nothing: sets follow from their number.
    readonly EmojiSets sets = new(library, EmojiSplit.Held, int.MaxValue, MostReferences + 1, seed);
    readonly LineupMaker lineups = new(library, seed);

    /// <param name="number">Of the request.</param>
    /// <param name="side">Pixels of a picture's side.</param>
    public DrawingTrial Load(int number, int side)
    {
        (EmojiSubject subject, IReadOnlyList<EmojiLook> looks, _) = sets.Describe(number);
        (IReadOnlyList<PixelImage> images, IReadOnlyList<string> captions) = sets.Load(number, side);
        return new DrawingTrial(
            subject,
            [.. images.Take(MostReferences)],
            [.. captions.Take(MostReferences)],
            captions[MostReferences],
            looks[MostReferences],
            images[MostReferences]);
    }

    /// <summary>Among whom the subject of a request is to be recognised.</summary>
    public Lineup LineupOf(int number) => lineups.Make(sets.Describe(number).Subject, number);
}
