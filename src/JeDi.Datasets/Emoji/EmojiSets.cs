using JeDi.Files.Random;
using JeDi.Files.Sets;

namespace JeDi.Datasets.Emoji;

/// <summary>
/// Sets drawn when they are asked for: one subject at different places, sizes, turns and mirrorings on different backgrounds. Set
/// <c>index</c> follows from the seed and its number alone.
/// </summary>
/// <param name="library">The drawings.</param>
/// <param name="split">Which of them.</param>
/// <param name="count">How many sets there are.</param>
/// <param name="images">Pictures of a set.</param>
/// <param name="seed">Another seed, other sets.</param>
public sealed class EmojiSets(EmojiLibrary library, EmojiSplit split, int count, int images, long seed) : ISetSource
{
    /// <summary>Word for a subject that is not named: what it is, only its picture tells.</summary>
    public const string Anything = "thing";

    const double RecolouredShare = 0.9;
    const double UnnamedShare = 0.5;

    readonly IReadOnlyList<EmojiEntry> entries = library.Of(split);
    readonly EmojiPainter painter = new(library);

    public string Name => $"{library.Folder} ({split.ToString().ToLowerInvariant()})";

    public int Count => count;

    public string NameOf(int index) => $"{Name} set {index} ({Describe(index).Subject.Entry.File})";

    /// <summary>Subject and looks of a set, without painting it.</summary>
    public (EmojiSubject Subject, IReadOnlyList<EmojiLook> Looks, bool Named) Describe(int index)
    {
        var random = new SplitMix(seed, index, (int)split);
        EmojiEntry entry = entries[random.Below(entries.Count)];
        EmojiSubject subject = random.Uniform() < RecolouredShare ? EmojiSubject.Recoloured(entry, random) : new EmojiSubject(entry);
        bool named = random.Uniform() >= UnnamedShare;
        return (subject, [.. Enumerable.Range(0, images).Select(_ => EmojiLook.Draw(random))], named);
    }

    public ImageSet Load(int index, int size)
    {
        (EmojiSubject subject, IReadOnlyList<EmojiLook> looks, bool named) = Describe(index);
        string thing = named ? subject.Entry.Name : Anything;
        return new ImageSet(
            [.. painter.Paint(subject, looks, size).Select(picture => picture.Image)], [.. looks.Select(look => look.Caption(thing))]);
    }
}
