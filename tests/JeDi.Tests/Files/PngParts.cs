using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace JeDi.Tests.Files;

/// <summary>PNG files chunk by chunk, to make such as no encoder here writes.</summary>
static class PngParts
{
    const int HeaderEnd = 8 + 25;

    /// <summary>A chunk with its length and checksum.</summary>
    public static byte[] Chunk(string type, byte[] body)
    {
        var chunk = new byte[body.Length + 12];
        BinaryPrimitives.WriteInt32BigEndian(chunk, body.Length);
        Encoding.ASCII.GetBytes(type).CopyTo(chunk, 4);
        body.CopyTo(chunk, 8);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(body.Length + 8), Crc32.HashToUInt32(chunk.AsSpan(4, body.Length + 4)));
        return chunk;
    }

    /// <summary>The file with one more chunk behind its header.</summary>
    public static byte[] Insert(byte[] file, string type, byte[] body) =>
        [.. file[..HeaderEnd], .. Chunk(type, body), .. file[HeaderEnd..]];

    /// <summary>The file with a header that claims another size.</summary>
    public static byte[] WithSize(byte[] file, int width, int height)
    {
        byte[] header = file[16..29];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        return [.. file[..8], .. Chunk("IHDR", header), .. file[HeaderEnd..]];
    }

    /// <summary>Gives a changed header the checksum that belongs to it.</summary>
    public static void MendHeader(byte[] file) =>
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(29), Crc32.HashToUInt32(file.AsSpan(12, 17)));

    /// <summary>A whole file of rows that already are as PNG stores them, without the filter byte.</summary>
    public static byte[] File(int width, int height, int bitDepth, int colourType, Func<int, byte[]> row)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = (byte)bitDepth;
        header[9] = (byte)colourType;
        byte[] pixels = [.. Enumerable.Range(0, height).SelectMany(y => row(y).Prepend((byte)0))];
        return [0x89, .. "PNG\r\n\u001A\n"u8, .. Chunk("IHDR", header), .. Chunk("IDAT", Deflate(pixels)), .. Chunk("IEND", [])];
    }

    public static byte[] Deflate(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Optimal))
        {
            zlib.Write(bytes);
        }

        return packed.ToArray();
    }
}
