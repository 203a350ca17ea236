using System.Text;

namespace JeDi.Files;

/// <summary>
/// JSON as Python's writer leaves it: with the bare words <c>NaN</c>, <c>Infinity</c> and <c>-Infinity</c>, which the standard does not
/// know. They become texts of the same letters, so that a key that is not read does no harm and one that is read is refused as no number.
/// </summary>
public static class PythonJson
{
    static readonly byte[][] words = ["NaN"u8.ToArray(), "-Infinity"u8.ToArray(), "Infinity"u8.ToArray()];

    static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>The same JSON by the standard; the given bytes where nothing is to be changed.</summary>
    public static ReadOnlyMemory<byte> Standard(ReadOnlyMemory<byte> json)
    {
        if (json.Span.StartsWith(ByteOrderMark))
        {
            json = json[ByteOrderMark.Length..];
        }

        ReadOnlySpan<byte> from = json.Span;
        MemoryStream? changed = null;
        int copied = 0;
        for (int at = 0; at < from.Length; at++)
        {
            if (from[at] == '"')
            {
                at = EndOfText(from, at);
            }
            else if (from[at] is (byte)'N' or (byte)'I' or (byte)'-' && WordAt(from[at..]) is byte[] word)
            {
                changed ??= new MemoryStream(from.Length + 16);
                changed.Write(from[copied..at]);
                changed.WriteByte((byte)'"');
                changed.Write(word);
                changed.WriteByte((byte)'"');
                copied = at + word.Length;
                at = copied - 1;
            }
        }

        if (changed is null)
        {
            return json;
        }

        changed.Write(from[copied..]);
        return changed.ToArray();
    }

    /// <summary>The same for a text.</summary>
    public static string Standard(string json) => Encoding.UTF8.GetString(Standard(Encoding.UTF8.GetBytes(json)).Span);

    /// <summary>The closing quotation mark of the text that begins at <paramref name="at"/>, or the end.</summary>
    static int EndOfText(ReadOnlySpan<byte> json, int at)
    {
        for (at++; at < json.Length && json[at] != '"'; at++)
        {
            at += json[at] == '\\' ? 1 : 0;
        }

        return at;
    }

    static byte[]? WordAt(ReadOnlySpan<byte> rest)
    {
        foreach (byte[] word in words)
        {
            if (rest.StartsWith(word))
            {
                return word;
            }
        }

        return null;
    }
}
