using System.Buffers.Binary;
using System.Text.Json;

namespace JeDi.Files.Safetensors;

/// <summary>A tensor to be written.</summary>
public sealed record SafetensorsItem(string Name, SafetensorsType Type, long[] Shape)
{
    /// <summary>Bytes of its values.</summary>
    public long Bytes => Type.BytesOf(Shape);
}

/// <summary>Writes safetensors files of any size in one pass, whole or not at all.</summary>
public static class SafetensorsWriter
{
    /// <summary>
    /// Writes the header, then lets <paramref name="write"/> put the bytes of each item, in order, on the stream.
    /// </summary>
    /// <exception cref="FileException">The file cannot be written.</exception>
    public static void Write(
        string path,
        IReadOnlyList<SafetensorsItem> items,
        IReadOnlyDictionary<string, string>? metadata,
        Action<SafetensorsItem, Stream> write,
        Func<Stream, Stream>? wrap = null)
    {
        byte[] header = Header(items, metadata);
        AtomicFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (SafetensorsItem item in items)
            {
                var counted = new CountedStream(stream);
                write(item, counted);
                if (counted.Position != item.Bytes)
                {
                    throw new InvalidOperationException($"'{item.Name}' got {counted.Position} bytes, {item.Bytes} were announced");
                }
            }
        }, wrap);
    }

    static byte[] Header(IReadOnlyList<SafetensorsItem> items, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer,
            new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata)
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            long offset = 0;
            foreach (SafetensorsItem item in items)
            {
                json.WriteStartObject(item.Name);
                json.WriteString("dtype", item.Type.ToString());
                WriteNumbers(json, "shape", item.Shape);
                WriteNumbers(json, "data_offsets", [offset, offset + item.Bytes]);
                json.WriteEndObject();
                offset += item.Bytes;
            }

            json.WriteEndObject();
        }

        // The data starts at a multiple of 8, as the reference writer does it.
        while (buffer.Length % 8 != 0)
        {
            buffer.WriteByte((byte)' ');
        }

        return buffer.ToArray();
    }

    static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }

    /// <summary>Counts what is written to the stream below.</summary>
    sealed class CountedStream(Stream below) : Stream
    {
        long written;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => written;

        public override long Position
        {
            get => written;
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            below.Write(buffer);
            written += buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => below.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
