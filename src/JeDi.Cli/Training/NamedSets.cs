using JeDi.Datasets.Emoji;
using JeDi.Files.Sets;

namespace JeDi.Cli.Training;

/// <summary>What a name on the command line stands for: a folder of sets, or one of drawings that sets are drawn from.</summary>
static class NamedSets
{
    // Each drawing in six recolourings: more than a network of this size learns by heart, and few enough that most of a long training
    // finds their latents in memory instead of painting and encoding.
    const int Drawn = 24_000;
    const int Images = 4;

    /// <param name="folder">Of sets, or made by <c>jedi-native dataset</c>.</param>
    /// <param name="held">Whether it is for judging: drawings that are kept from the training.</param>
    public static ISetSource Open(string folder, bool held) => EmojiLibrary.IsAt(folder)
        ? new EmojiSets(EmojiLibrary.Open(folder), held ? EmojiSplit.Held : EmojiSplit.Train, Drawn, Images, seed: 0)
        : FolderSets.Open(folder);
}
