using JeDi.Datasets.Emoji;
using JeDi.Files.Random;

namespace JeDi.Evaluation.Drawings;

/// <summary>Subjects among which one is to be recognised; the first is the right one.</summary>
public sealed class Lineup
{
    // A subject may be turned by 25 degrees: the next of these is at most 5 away.
    static readonly double[] turns = [.. new[] { -25, -15, -5, 5, 15, 25 }.Select(degrees => degrees * Math.PI / 180)];

    readonly SubjectView[][] views;

    internal Lineup(IReadOnlyList<EmojiSubject> subjects, IReadOnlyList<EmojiPicture> pictures)
    {
        Subjects = subjects;
        views = [.. pictures.Select(picture => turns
            .SelectMany(turn => new[] { false, true }.Select(mirrored => new SubjectView(picture.Image, picture.Mask, turn, mirrored)))
            .ToArray())];
    }

    public IReadOnlyList<EmojiSubject> Subjects { get; }

    /// <summary>Whether the right one, in whatever turn or mirroring, is nearest to what a picture shows.</summary>
    /// <param name="seen">The picture's subject.</param>
    /// <param name="colours">Colours count, too.</param>
    public bool Recognises(SubjectView seen, bool colours) => Nearest(seen, colours) == 0;

    /// <summary>Place of the nearest subject.</summary>
    public int Nearest(SubjectView seen, bool colours) => Enumerable.Range(0, views.Length)
        .MinBy(i => views[i].Min(view => colours ? seen.DistanceTo(view) : seen.GreyDistanceTo(view)));
}

/// <summary>
/// Makes line-ups of 20: the subject, up to 4 drawings of the same name by other designers in the same recolouring, the 5 nearest to it in
/// hue, the rest at random.
/// </summary>
sealed class LineupMaker
{
    const int Count = 20;
    const int SameName = 4;
    const int SameHue = 5;
    const int Side = 128;
    const int Purpose = 77;

    static readonly EmojiLook plainly =
        new(0, EmojiPattern.Plain, EmojiPlace.Middle, 0.5, 0.5, 0.95, 0, false, 1, 0, 0, default);

    readonly EmojiPainter painter;
    readonly IReadOnlyList<EmojiEntry> all;
    readonly IReadOnlyList<EmojiEntry> held;
    readonly Dictionary<EmojiEntry, (double I, double Q)> chroma = [];
    readonly long seed;

    public LineupMaker(EmojiLibrary library, long seed)
    {
        this.seed = seed;
        painter = new EmojiPainter(library);
        all = library.Entries;
        held = library.Of(EmojiSplit.Held);
    }

    public Lineup Make(EmojiSubject subject, int number)
    {
        var random = new SplitMix(seed, number, Purpose);
        List<EmojiSubject> chosen =
        [
            subject,
            .. all.Where(entry => entry.Name == subject.Entry.Name && entry.Designer != subject.Entry.Designer)
                .Take(SameName)
                .Select(entry => subject with { Entry = entry }),
        ];
        List<EmojiSubject> others =
        [
            .. held.Where(entry => entry.Name != subject.Entry.Name).Select(entry => EmojiSubject.Recoloured(entry, random)),
        ];
        (double I, double Q) own = Chroma(subject);
        List<EmojiSubject> near = [.. others.OrderBy(other => Squared(Chroma(other), own)).Take(SameHue)];
        List<EmojiSubject> rest = [.. others.Except(near)];
        int missing = Math.Min(Count - chosen.Count - near.Count, rest.Count);
        chosen.AddRange([.. near, .. random.Choose(missing, rest.Count).Select(i => rest[i])]);
        return new Lineup(chosen, [.. chosen.Select(one => painter.Paint(one, [plainly], Side)[0])]);
    }

    /// <summary>Mean of I and Q over a drawing, turned as its recolouring does.</summary>
    (double I, double Q) Chroma(EmojiSubject subject)
    {
        if (!chroma.TryGetValue(subject.Entry, out (double I, double Q) drawn))
        {
            EmojiPicture picture = painter.Paint(new EmojiSubject(subject.Entry), [plainly], Side / 4)[0];
            double cover = Math.Max(picture.Mask.Sum(), 1e-6);
            for (int i = 0; i < picture.Mask.Length; i++)
            {
                Rgb pixel = Rgb.At(picture.Image, i);
                drawn.I += picture.Mask[i] / cover * (0.596 * pixel.R - 0.274 * pixel.G - 0.322 * pixel.B);
                drawn.Q += picture.Mask[i] / cover * (0.211 * pixel.R - 0.523 * pixel.G + 0.312 * pixel.B);
            }

            chroma[subject.Entry] = drawn;
        }

        (double sine, double cosine) = Math.SinCos(subject.Hue);
        return (subject.Saturation * (cosine * drawn.I - sine * drawn.Q), subject.Saturation * (sine * drawn.I + cosine * drawn.Q));
    }

    static double Squared((double I, double Q) a, (double I, double Q) b) => (a.I - b.I) * (a.I - b.I) + (a.Q - b.Q) * (a.Q - b.Q);
}
