using JeDi.Files.Images;

namespace JeDi.Files.Sets;

/// <summary>Square images that share a subject, and a caption for each.</summary>
public sealed record ImageSet(IReadOnlyList<PixelImage> Images, IReadOnlyList<string> Captions);

/// <summary>Sets to learn from, by number: read from a disk or drawn when they are asked for.</summary>
public interface ISetSource
{
    /// <summary>For messages: a folder, or what is drawn.</summary>
    string Name { get; }

    /// <summary>Sets.</summary>
    int Count { get; }

    /// <summary>What a message calls a set, and no other: its file, or what is drawn in it.</summary>
    string NameOf(int index);

    /// <summary>The captions of a set, without its images.</summary>
    /// <exception cref="FileException">They cannot be read.</exception>
    IReadOnlyList<string> Captions(int index);

    /// <summary>The set of that number at so many pixels a side; the same at every call.</summary>
    /// <exception cref="FileException">It cannot be read: says why.</exception>
    ImageSet Load(int index, int size);
}
