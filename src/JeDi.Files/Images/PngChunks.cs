using System.Buffers.Binary;

namespace JeDi.Files.Images;

/// <summary>The chunks of a PNG file in memory, one after the other; what is no PNG has none.</summary>
ref struct PngChunks
{
    /// <summary>Length, type and checksum.</summary>
    const int Frame = 12;

    ReadOnlySpan<byte> rest;

    public PngChunks(ReadOnlySpan<byte> file)
    {
        IsPng = file.StartsWith(Signature);
        rest = IsPng ? file[Signature.Length..] : [];
    }

    static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    public bool IsPng { get; }

    /// <summary>Whether the last chunk says that it is longer than what is there.</summary>
    public bool IsCutShort { get; private set; }

    /// <summary>Four letters.</summary>
    public ReadOnlySpan<byte> Type { get; private set; }

    public ReadOnlySpan<byte> Body { get; private set; }

    /// <summary>Goes to the next chunk; false behind the last one.</summary>
    public bool Next()
    {
        if (rest.Length < Frame)
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(rest);
        if (length > rest.Length - Frame)
        {
            IsCutShort = true;
            return false;
        }

        Type = rest.Slice(4, 4);
        Body = rest.Slice(8, (int)length);
        rest = Type.SequenceEqual("IEND"u8) ? [] : rest[(Frame + (int)length)..];
        return true;
    }
}
