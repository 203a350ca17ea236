namespace JeDi.Files.Images;

/// <summary>Picture files by their first bytes: which are read, and what to say of the others.</summary>
public static class PictureKinds
{
    /// <summary>The formats that are read, for messages and help.</summary>
    public const string Readable = "PNG, JPEG, WebP, GIF, BMP and ICO";

    internal const string Damaged = "is cut short or damaged; copy it again";

    static readonly (string Name, int At, byte[] Start)[] read =
    [
        ("PNG", 0, [0x89, .. "PNG"u8]),
        ("JPEG", 0, [0xFF, 0xD8, 0xFF]),
        ("WebP", 8, "WEBP"u8.ToArray()),
        ("GIF", 0, "GIF8"u8.ToArray()),
        ("BMP", 0, "BM"u8.ToArray()),
        ("ICO", 0, [0, 0, 1, 0]),
    ];

    static readonly (string Name, int At, byte[] Start)[] others =
    [
        ("AVIF", 4, "ftypavif"u8.ToArray()),
        ("HEIC", 4, "ftyphei"u8.ToArray()),
        ("HEIC", 4, "ftypmif1"u8.ToArray()),
        ("JPEG XL", 4, "JXL "u8.ToArray()),
        ("JPEG XL", 0, [0xFF, 0x0A]),
        ("JPEG 2000", 4, "jP  "u8.ToArray()),
        ("TIFF", 0, "II*\0"u8.ToArray()),
        ("TIFF", 0, "MM\0*"u8.ToArray()),
        ("Photoshop", 0, "8BPS"u8.ToArray()),
        ("PDF", 0, "%PDF"u8.ToArray()),
        ("SVG", 0, "<svg"u8.ToArray()),
    ];

    /// <summary>The format of a picture that is read, or null.</summary>
    public static string? Of(ReadOnlySpan<byte> file) => Find(read, file);

    /// <summary>What to say of a file that the decoder does not take.</summary>
    internal static FileException NotRead(string name, ReadOnlySpan<byte> file) => new(
        name,
        Of(file) is not null ? Damaged
        : Find(others, file) is string other ? $"is a {other} file, which is not read; save it as PNG or JPEG ({Readable} are read)"
        : Safetensors.Mistaken.Describe(file[..Math.Min(file.Length, Safetensors.Mistaken.Look)])
            ?? $"is not a picture that can be read ({Readable})");

    static string? Find((string Name, int At, byte[] Start)[] kinds, ReadOnlySpan<byte> file)
    {
        foreach ((string name, int at, byte[] start) in kinds)
        {
            if (file.Length >= at && file[at..].StartsWith(start))
            {
                return name;
            }
        }

        return null;
    }
}
