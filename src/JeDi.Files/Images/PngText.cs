using System.IO.Compression;
using System.Text;

namespace JeDi.Files.Images;

/// <summary>Reads the texts inside PNG files.</summary>
public static class PngText
{
    /// <summary>Most bytes that the compressed texts of a file may have together: a small file can claim gigabytes.</summary>
    const int MostInflated = 8 << 20;

    const long LargestFile = 1L << 30;

    /// <summary>Keyword -> text of all tEXt, zTXt and iTXt chunks; the first of a keyword counts.</summary>
    /// <exception cref="FileException">Not a PNG file, or damaged.</exception>
    public static IReadOnlyDictionary<string, string> Read(string path) => Parse(path, WholeFile.Read(path, LargestFile, "a picture"));

    /// <summary>The same for a file in memory; <paramref name="name"/> is for messages.</summary>
    public static IReadOnlyDictionary<string, string> Parse(string name, ReadOnlySpan<byte> file)
    {
        var chunks = new PngChunks(file);
        if (!chunks.IsPng)
        {
            throw new FileException(name, "is not a PNG file");
        }

        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        int room = MostInflated;
        while (chunks.Next())
        {
            Add(texts, name, chunks.Type, chunks.Body, ref room);
        }

        if (chunks.IsCutShort)
        {
            throw new FileException(name, "is cut short within a PNG chunk");
        }

        return texts;
    }

    /// <summary>
    /// Keyword and text of a chunk of one of the three kinds; null where it is none, has no keyword, or <paramref name="wanted"/> does not
    /// want it or its compressed text is damaged or has more than <paramref name="room"/> bytes, from which its own are taken.
    /// </summary>
    internal static (string Key, string Text)? Decode(
        ReadOnlySpan<byte> type, ReadOnlySpan<byte> body, Func<string, bool> wanted, ref int room)
    {
        try
        {
            return Parse("", type, body, wanted, ref room);
        }
        catch (FileException)
        {
            return null;
        }
    }

    static void Add(Dictionary<string, string> texts, string name, ReadOnlySpan<byte> type, ReadOnlySpan<byte> body, ref int room)
    {
        if (Parse(name, type, body, key => !texts.ContainsKey(key), ref room) is (string key, string text))
        {
            texts.Add(key, text);
        }
    }

    static (string Key, string Text)? Parse(
        string name, ReadOnlySpan<byte> type, ReadOnlySpan<byte> body, Func<string, bool> wanted, ref int room)
    {
        bool plain = type.SequenceEqual("tEXt"u8);
        bool packed = type.SequenceEqual("zTXt"u8);
        bool international = type.SequenceEqual("iTXt"u8);
        int end = body.IndexOf((byte)0);
        if (end < 1 || !(plain || packed || international) || !wanted(Encoding.Latin1.GetString(body[..end])))
        {
            return null;
        }

        string key = Encoding.Latin1.GetString(body[..end]);
        ReadOnlySpan<byte> rest = body[(end + 1)..];
        if (plain)
        {
            return (key, Encoding.Latin1.GetString(rest));
        }

        if (packed)
        {
            return rest.Length > 1 ? (key, Encoding.Latin1.GetString(Inflate(name, rest[1..], ref room))) : null;
        }

        if (rest.Length < 3)
        {
            return null;
        }

        bool compressed = rest[0] == 1;
        ReadOnlySpan<byte> text = rest[2..];
        text = text[(text.IndexOf((byte)0) + 1)..];
        text = text[(text.IndexOf((byte)0) + 1)..];
        return (key, Encoding.UTF8.GetString(compressed ? Inflate(name, text, ref room) : text));
    }

    static byte[] Inflate(string name, ReadOnlySpan<byte> bytes, ref int room)
    {
        try
        {
            using var zlib = new ZLibStream(new MemoryStream(bytes.ToArray()), CompressionMode.Decompress);
            var text = new MemoryStream();
            Span<byte> buffer = stackalloc byte[4096];
            for (int got = zlib.Read(buffer); got > 0; got = zlib.Read(buffer))
            {
                text.Write(buffer[..got]);
                room -= got;
                if (room < 0)
                {
                    throw new FileException(name, $"holds compressed texts of more than {MostInflated >> 20} MB; save it without them");
                }
            }

            return text.ToArray();
        }
        catch (Exception e) when (e is not FileException)
        {
            // The library has an exception of its own for each way in which a stream can be wrong.
            throw new FileException(name, "holds a damaged compressed text", e);
        }
    }
}
