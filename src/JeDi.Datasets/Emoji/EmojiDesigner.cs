namespace JeDi.Datasets.Emoji;

/// <summary>An openly licensed set of drawings, as an npm package of Iconify's.</summary>
/// <param name="Package">Name of the package below <c>@iconify-json/</c>.</param>
/// <param name="Licence">SPDX name of the drawings' licence.</param>
/// <param name="Credit">Who is to be named where a picture is shown.</param>
public sealed record EmojiDesigner(string Package, string Licence, string Credit)
{
    /// <summary>All five, in the order of the drawings.</summary>
    public static IReadOnlyList<EmojiDesigner> All { get; } =
    [
        new("fluent-emoji-flat", "MIT", "Fluent Emoji, Microsoft Corporation"),
        new("fluent-emoji", "MIT", "Fluent Emoji, Microsoft Corporation"),
        new("noto", "Apache-2.0", "Noto Emoji, Google"),
        new("twemoji", "CC-BY-4.0", "Twemoji, Twitter"),
        new("emojione", "CC-BY-4.0", "EmojiOne, JoyPixels"),
    ];

    /// <summary>What brings all packages into a folder.</summary>
    public static string Install(string folder) =>
        $"npm install --prefix {folder} {string.Join(' ', All.Select(designer => $"@iconify-json/{designer.Package}"))}";
}
