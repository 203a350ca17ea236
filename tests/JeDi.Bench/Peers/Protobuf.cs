using System.Runtime.InteropServices;
using System.Text;

namespace JeDi.Bench.Peers;

/// <summary>A message in the wire format of Protocol Buffers: fields by number, in the order they are added.</summary>
sealed class Protobuf
{
    const int VarintKind = 0;
    const int BytesKind = 2;

    readonly MemoryStream stream = new();

    public Protobuf Add(int field, long value)
    {
        Tag(field, VarintKind);
        Varint((ulong)value);
        return this;
    }

    public Protobuf Add(int field, string text) => Add(field, Encoding.UTF8.GetBytes(text));

    public Protobuf Add(int field, float[] values) => Add(field, MemoryMarshal.AsBytes<float>(values));

    public Protobuf Add(int field, Protobuf message) => Add(field, message.stream.GetBuffer().AsSpan(0, (int)message.stream.Length));

    public byte[] ToArray() => stream.ToArray();

    Protobuf Add(int field, ReadOnlySpan<byte> bytes)
    {
        Tag(field, BytesKind);
        Varint((ulong)bytes.Length);
        stream.Write(bytes);
        return this;
    }

    void Tag(int field, int kind) => Varint((ulong)(field << 3 | kind));

    /// <summary>Seven bits a byte, lowest first; the top bit says that more follow.</summary>
    void Varint(ulong value)
    {
        for (; value > 0x7F; value >>= 7)
        {
            stream.WriteByte((byte)(value | 0x80));
        }

        stream.WriteByte((byte)value);
    }
}
