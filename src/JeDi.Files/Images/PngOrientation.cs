using System.Buffers.Binary;
using SkiaSharp;

namespace JeDi.Files.Images;

/// <summary>The EXIF orientation of a PNG, which the decoder passes over: its eXIf chunk holds a TIFF directory.</summary>
static class PngOrientation
{
    const ushort OrientationTag = 0x0112;
    const int EntryBytes = 12;

    static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>The orientation of such a file; null where it is no PNG, says none or says nonsense.</summary>
    public static SKEncodedOrigin? Of(ReadOnlySpan<byte> file)
    {
        if (!file.StartsWith(Signature))
        {
            return null;
        }

        for (ReadOnlySpan<byte> rest = file[8..]; rest.Length >= 12;)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(rest);
            if (length > rest.Length - 12)
            {
                return null;
            }

            if (rest.Slice(4, 4).SequenceEqual("eXIf"u8))
            {
                return Tiff(rest.Slice(8, (int)length));
            }

            rest = rest[(12 + (int)length)..];
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
