using System.Buffers.Binary;
using SkiaSharp;

namespace JeDi.Files.Images;

/// <summary>
/// The EXIF orientation of a PNG or WebP where the decoder passes over it: a TIFF directory in a PNG's eXIf chunk or, as text, in its raw
/// profile; in a WebP's EXIF chunk, bare or behind the prefix that it has in a JPEG.
/// </summary>
static class ExifOrientation
{
    const ushort OrientationTag = 0x0112;
    const ushort LongType = 4;
    const int EntryBytes = 12;

    /// <summary>A profile is a few kilobytes; photos in it make it no larger than a JPEG's, whose limit this is.</summary>
    const int MostProfileBytes = 1 << 16;

    static readonly string[] profiles = ["Raw profile type exif", "Raw profile type APP1"];

    static ReadOnlySpan<byte> Prefix => "Exif\0\0"u8;

    /// <summary>The orientation of such a file; null where it is of another kind, says none or says nonsense.</summary>
    public static SKEncodedOrigin? Of(ReadOnlySpan<byte> file) => OfWebp(file) ?? OfPng(file);

    static SKEncodedOrigin? OfPng(ReadOnlySpan<byte> file)
    {
        SKEncodedOrigin? profile = null;
        var chunks = new PngChunks(file);
        while (chunks.Next())
        {
            if (chunks.Type.SequenceEqual("eXIf"u8))
            {
                return Tiff(chunks.Body);
            }

            profile ??= Profile(chunks.Type, chunks.Body);
        }

        return profile;
    }

    /// <summary>"RIFF", size, "WEBP", then chunks of name, size and body, padded to even lengths.</summary>
    static SKEncodedOrigin? OfWebp(ReadOnlySpan<byte> file)
    {
        if (file.Length < 12 || !file.StartsWith("RIFF"u8) || !file[8..].StartsWith("WEBP"u8))
        {
            return null;
        }

        for (ReadOnlySpan<byte> rest = file[12..]; rest.Length >= 8;)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
            if (length > rest.Length - 8)
            {
                return null;
            }

            if (rest.StartsWith("EXIF"u8))
            {
                return Tiff(rest.Slice(8, (int)length));
            }

            rest = rest[Math.Min(rest.Length, 8 + (int)length + (int)(length & 1))..];
        }

        return null;
    }

    /// <summary>Keyword; then, as ImageMagick writes it: an empty line, the profile's name, its length, its bytes in hexadecimal.</summary>
    static SKEncodedOrigin? Profile(ReadOnlySpan<byte> type, ReadOnlySpan<byte> body)
    {
        int room = 4 * MostProfileBytes;
        if (PngText.Decode(type, body, profiles.Contains, ref room) is not (_, string text))
        {
            return null;
        }

        string[] lines = text.TrimStart('\n').Split('\n');
        string digits = string.Concat(lines.Skip(2)).Trim();
        if (digits.Length > 2 * MostProfileBytes || digits.Length % 2 != 0 || digits.Any(digit => !char.IsAsciiHexDigit(digit)))
        {
            return null;
        }

        return Tiff(Convert.FromHexString(digits));
    }

    /// <summary>Byte order, 42, place of the first directory; there a count and entries of tag, type, count and value.</summary>
    static SKEncodedOrigin? Tiff(ReadOnlySpan<byte> tiff)
    {
        tiff = tiff.StartsWith(Prefix) ? tiff[Prefix.Length..] : tiff;
        bool little = tiff.StartsWith("II"u8);
        if (tiff.Length < 8 || !(little || tiff.StartsWith("MM"u8)))
        {
            return null;
        }

        uint at = Long(tiff[4..], little);
        if (at > tiff.Length - 2)
        {
            return null;
        }

        ReadOnlySpan<byte> entries = tiff[((int)at + 2)..];
        for (int left = Short(tiff[(int)at..], little); left > 0 && entries.Length >= EntryBytes; left--, entries = entries[EntryBytes..])
        {
            if (Short(entries, little) == OrientationTag)
            {
                uint value = Short(entries[2..], little) == LongType ? Long(entries[8..], little) : Short(entries[8..], little);
                return value is >= 1 and <= 8 ? (SKEncodedOrigin)value : null;
            }
        }

        return null;
    }

    static ushort Short(ReadOnlySpan<byte> bytes, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);

    static uint Long(ReadOnlySpan<byte> bytes, bool little) =>
        little ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : BinaryPrimitives.ReadUInt32BigEndian(bytes);
}
