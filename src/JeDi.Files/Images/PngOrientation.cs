using System.Buffers.Binary;
using SkiaSharp;

namespace JeDi.Files.Images;

/// <summary>The EXIF orientation of a PNG, which the decoder passes over: its eXIf chunk holds a TIFF directory.</summary>
static class PngOrientation
{
    const ushort OrientationTag = 0x0112;
    const int EntryBytes = 12;

    /// <summary>The orientation of such a file; null where it is no PNG, says none or says nonsense.</summary>
    public static SKEncodedOrigin? Of(ReadOnlySpan<byte> file)
    {
        var chunks = new PngChunks(file);
        while (chunks.Next())
        {
            if (chunks.Type.SequenceEqual("eXIf"u8))
            {
                return Tiff(chunks.Body);
            }
        }

        return null;
    }

    /// <summary>Byte order, 42, place of the first directory; there a count and entries of tag, type, count and value.</summary>
    static SKEncodedOrigin? Tiff(ReadOnlySpan<byte> tiff)
    {
        bool little = tiff.StartsWith("II"u8);
        if (tiff.Length < 8 || !(little || tiff.StartsWith("MM"u8)))
        {
            return null;
        }

        uint at = little ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]);
        if (at > tiff.Length - 2)
        {
            return null;
        }

        ReadOnlySpan<byte> entries = tiff[((int)at + 2)..];
        for (int left = Short(tiff, (int)at, little); left > 0 && entries.Length >= EntryBytes; left--, entries = entries[EntryBytes..])
        {
            if (Short(entries, 0, little) == OrientationTag)
            {
                int value = Short(entries, 8, little);
                return value is >= 1 and <= 8 ? (SKEncodedOrigin)value : null;
            }
        }

        return null;
    }

    static ushort Short(ReadOnlySpan<byte> bytes, int at, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]) : BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
}
