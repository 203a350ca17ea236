using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using SkiaSharp;

namespace JeDi.Files.Images;

/// <summary>Writes PNG files with texts inside, whole or not at all.</summary>
public static class PngWriter
{
    const int HeaderEnd = 8 + 25;

    /// <summary>Writes the picture with <paramref name="texts"/> (keyword, text) as iTXt chunks.</summary>
    /// <exception cref="FileException">The file cannot be written.</exception>
    public static void Write(
        string path, PixelImage image, IReadOnlyList<(string Key, string Text)>? texts = null, Func<Stream, Stream>? wrap = null) =>
        AtomicFile.Write(path, Encode(image, texts), wrap);

    /// <summary>The same under a name that is free, see <see cref="AtomicFile.Create"/>.</summary>
    /// <returns>Whether it was written; false if something has that name already.</returns>
    /// <exception cref="FileException">The file cannot be written.</exception>
    public static bool Create(string path, PixelImage image, IReadOnlyList<(string Key, string Text)>? texts = null) =>
        AtomicFile.Create(path, Encode(image, texts));

    /// <summary>The same into a stream, which stays open.</summary>
    public static void Write(Stream stream, PixelImage image, IReadOnlyList<(string Key, string Text)>? texts = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(image);
        stream.Write(Encode(image, texts));
    }

    /// <summary>The bytes of the file.</summary>
    public static byte[] Encode(PixelImage image, IReadOnlyList<(string Key, string Text)>? texts = null)
    {
        byte[] plain = EncodePixels(image);
        using var file = new MemoryStream();
        file.Write(plain, 0, HeaderEnd);
        foreach ((string key, string text) in texts ?? [])
        {
            // Keyword, no compression, no language, no translated keyword, text.
            WriteChunk(file, "iTXt", [.. Encoding.Latin1.GetBytes(key), 0, 0, 0, 0, 0, .. Encoding.UTF8.GetBytes(text)]);
        }

        file.Write(plain, HeaderEnd, plain.Length - HeaderEnd);
        return file.ToArray();
    }

    static byte[] EncodePixels(PixelImage image)
    {
        var pixels = new byte[4 * image.Width * image.Height];
        image.CopyToRgba(pixels);

        var pin = GCHandle.Alloc(pixels, GCHandleType.Pinned);
        try
        {
            var format = new SKImageInfo(image.Width, image.Height, SKColorType.Rgb888x, SKAlphaType.Opaque);
            using var pixmap = new SKPixmap(format, pin.AddrOfPinnedObject(), 4 * image.Width);
            using SKData data = pixmap.Encode(SKPngEncoderOptions.Default) ?? throw new InvalidOperationException("the PNG encoder failed");
            return data.ToArray();
        }
        finally
        {
            pin.Free();
        }
    }

    static void WriteChunk(Stream file, string type, byte[] body)
    {
        byte[] chunk = [.. Encoding.ASCII.GetBytes(type), .. body];
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, body.Length);
        file.Write(number);
        file.Write(chunk);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc32.HashToUInt32(chunk));
        file.Write(number);
    }
}
