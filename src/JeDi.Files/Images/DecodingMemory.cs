using System.Buffers.Binary;
using SkiaSharp;

namespace JeDi.Files.Images;

/// <summary>
/// How much memory a picture takes while it is decoded, known from its header: a file of a few bytes can claim any size, and some forms
/// make the decoder keep the whole picture beside the result.
/// </summary>
static class DecodingMemory
{
    const int Result = 3;
    const int WholeRgba = 4;
    const int Interlaced = 4;
    const int PngInterlaceAt = 28;

    // Of the 64 MB that any file may take, some are the decoder's own.
    const long FreeBytes = 56L << 20;
    const int BytesPerFileByte = 16;

    /// <summary>Bytes that may be taken for a file: a small one cannot cost much, whatever it claims.</summary>
    public static long Allowed(long fileBytes) => FreeBytes + BytesPerFileByte * fileBytes;

    /// <summary>Whether rows come out one after the other, so that nothing but the result is kept whole.</summary>
    public static bool ComesInRows(SKEncodedImageFormat format, ReadOnlySpan<byte> file) => format switch
    {
        SKEncodedImageFormat.Png => !IsInterlaced(file),
        SKEncodedImageFormat.Jpeg => JpegCoefficientBytes(file) == 0,
        _ => false,
    };

    /// <summary>Bytes for <paramref name="pixels"/> pixels.</summary>
    public static long Bytes(SKEncodedImageFormat format, ReadOnlySpan<byte> file, long pixels) => format switch
    {
        SKEncodedImageFormat.Jpeg => (long)(pixels * (Result + JpegCoefficientBytes(file))),
        SKEncodedImageFormat.Png when IsInterlaced(file) => pixels * (Result + WholeRgba + Interlaced),
        SKEncodedImageFormat.Png => pixels * Result,
        _ => pixels * (Result + WholeRgba),
    };

    static bool IsInterlaced(ReadOnlySpan<byte> png) => png.Length > PngInterlaceAt && png[PngInterlaceAt] != 0;

    /// <summary>
    /// Bytes for each pixel of a JPEG whose coefficients come in several scans (progressive, or a scan for each component) and wait for the
    /// last one: 2 for each sample. A JPEG of one scan is decoded row by row.
    /// </summary>
    static double JpegCoefficientBytes(ReadOnlySpan<byte> file)
    {
        bool progressive = false;
        ReadOnlySpan<byte> components = [];
        for (int at = 2; at + 4 <= file.Length;)
        {
            int marker = file[at + 1];
            int length = BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
            if (file[at] != 0xFF || length < 2 || length > file.Length - at - 2)
            {
                break;
            }

            ReadOnlySpan<byte> body = file.Slice(at + 4, length - 2);
            if (marker == 0xDA)
            {
                bool severalScans = progressive || (body.Length > 0 && 3 * body[0] < components.Length);
                return severalScans ? 2 * SamplesPerPixel(components) : 0;
            }

            // Start of frame: precision, height, width, number of components, then three bytes for each.
            if (marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC) && body.Length > 6)
            {
                progressive = (marker & 3) == 2;
                components = body[6..];
            }

            at += 2 + length;
        }

        return 2 * Result;
    }

    static double SamplesPerPixel(ReadOnlySpan<byte> components)
    {
        double samples = 0;
        int widest = 1;
        int highest = 1;
        for (int i = 1; i < components.Length; i += 3)
        {
            (int across, int down) = (components[i] >> 4, components[i] & 15);
            samples += across * down;
            widest = Math.Max(widest, across);
            highest = Math.Max(highest, down);
        }

        return samples / (widest * highest);
    }
}
