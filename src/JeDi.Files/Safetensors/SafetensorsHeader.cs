using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace JeDi.Files.Safetensors;

/// <summary>
/// The JSON at the start of a file: 8 bytes of length (little endian), then name -> { dtype, shape, data_offsets }, and
/// <c>__metadata__</c>. Everything that a hostile file can say is checked: what passes can be read without any further check.
/// </summary>
static class SafetensorsHeader
{
    /// <summary>Longest header that the format allows.</summary>
    public const long LargestHeader = 100_000_000;

    const int MostTensors = 1_000_000;
    const int MostDepth = 64;
    const string MetadataName = "__metadata__";

    /// <summary>Parses a header; offsets become absolute.</summary>
    /// <exception cref="FileException">Anything but a valid header.</exception>
    public static (List<SafetensorsEntry> Entries, Dictionary<string, string> Metadata) Parse(string path, ReadOnlyMemory<byte> json,
        long fileBytes)
    {
        long dataStart = 8 + json.Length;
        try
        {
            var reader = new Utf8JsonReader(PythonJson.Standard(json).Span, new JsonReaderOptions { MaxDepth = MostDepth });
            var entries = new List<SafetensorsEntry>();
            var metadata = new Dictionary<string, string>();
            var names = new HashSet<string>(StringComparer.Ordinal);
            Expect(path, reader.Read() && reader.TokenType == JsonTokenType.StartObject, "the header is not a JSON object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                Expect(path, names.Add(name), $"the header names '{Short(name)}' twice");
                Expect(path, names.Count <= MostTensors, "the header names too many tensors");
                reader.Read();
                if (name == MetadataName && reader.TokenType == JsonTokenType.Null)
                {
                    continue;
                }

                Expect(path, reader.TokenType == JsonTokenType.StartObject, $"'{Short(name)}' is not an object in the header");
                if (name == MetadataName)
                {
                    ReadMetadata(path, ref reader, metadata);
                }
                else
                {
                    entries.Add(ReadEntry(path, ref reader, name, dataStart));
                }
            }

            Expect(path, reader.TokenType == JsonTokenType.EndObject, "the header ends early");
            while (reader.Read())
            {
                Expect(path, false, "the header has text after its end");
            }

            CheckLayout(path, entries, dataStart, fileBytes);
            return (entries, metadata);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or DecoderFallbackException)
        {
            throw new FileException(path,
                $"the safetensors header is not valid JSON ({e.Message.Split('\n')[0].TrimEnd('.', '\r')}); is the file complete?", e);
        }
    }

    static void ReadMetadata(string path, ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            Expect(path, reader.TokenType == JsonTokenType.String, $"metadata '{Short(key)}' is not a text");
            Expect(path, metadata.TryAdd(key, reader.GetString()!), $"the metadata names '{Short(key)}' twice");
        }
    }

    static SafetensorsEntry ReadEntry(string path, ref Utf8JsonReader reader, string name, long dataStart)
    {
        SafetensorsType? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when type is null && reader.TokenType == JsonTokenType.String:
                    string text = reader.GetString()!;
                    Expect(path, SafetensorsTypes.TryParse(text, out SafetensorsType parsed),
                        $"tensor '{Short(name)}' has the unknown type '{Short(text)}'");
                    type = parsed;
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(path, ref reader, name, 16);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(path, ref reader, name, 2);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw new FileException(path, $"tensor '{Short(name)}' has a wrong or repeated '{key}' in the header");
                default:
                    // The reference reader passes over what it does not know.
                    reader.Skip();
                    break;
            }
        }

        Expect(path, type is not null && shape is not null && offsets is { Length: 2 },
            $"tensor '{Short(name)}' lacks dtype, shape or data_offsets");
        long wanted = type!.Value.BytesOf(shape);
        Expect(path, wanted >= 0, $"tensor '{Short(name)}' has an impossible shape [{string.Join(", ", shape!)}]");
        long bytes = offsets![1] - offsets[0];
        Expect(path, offsets[0] <= offsets[1] && offsets[1] <= long.MaxValue - dataStart,
            $"tensor '{Short(name)}' lies at {offsets[0]}..{offsets[1]}, which is no range");
        Expect(path, bytes == wanted, $"tensor '{Short(name)}' has {bytes} bytes, {type} [{string.Join(", ", shape!)}] takes {wanted}");
        return new SafetensorsEntry(name, type.Value, shape!, dataStart + offsets[0], bytes);
    }

    static long[] ReadNumbers(string path, ref Utf8JsonReader reader, string name, int most)
    {
        Expect(path, reader.TokenType == JsonTokenType.StartArray, $"tensor '{Short(name)}' has no list where one is wanted");
        Span<long> numbers = stackalloc long[most];
        int count = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.Number)
        {
            Expect(path, reader.TryGetInt64(out long number) && number >= 0 && count < most,
                $"tensor '{Short(name)}' has a number that is negative, no integer or one too many");
            numbers[count++] = number;
        }

        Expect(path, reader.TokenType == JsonTokenType.EndArray, $"tensor '{Short(name)}' has a list with something that is no number");
        return numbers[..count].ToArray();
    }

    /// <summary>The tensors cover the data without overlap, hole or overhang, as the format demands.</summary>
    static void CheckLayout(string path, List<SafetensorsEntry> entries, long dataStart, long fileBytes)
    {
        long end = dataStart;
        List<SafetensorsEntry> inOrder = [.. entries];
        inOrder.Sort((one, other) => one.Offset != other.Offset ? one.Offset.CompareTo(other.Offset) : one.Bytes.CompareTo(other.Bytes));
        foreach (SafetensorsEntry entry in inOrder)
        {
            Expect(path, entry.Offset >= end, $"tensor '{Short(entry.Name)}' overlaps the one before it");
            Expect(path, entry.Offset == end, $"there is a hole of {entry.Offset - end} bytes before tensor '{Short(entry.Name)}'");
            end = entry.Offset + entry.Bytes;
        }

        Expect(path, end <= fileBytes, $"the file is cut short: {fileBytes} bytes, the header speaks of {end}; copy or download it again");
        Expect(path, end == fileBytes, $"there are {fileBytes - end} bytes after the last tensor");
    }

    static void Expect(string path, bool right, [InterpolatedStringHandlerArgument(nameof(right))] ref Fault what)
    {
        if (!right)
        {
            throw new FileException(path, what.Text);
        }
    }

    static void Expect(string path, bool right, string what)
    {
        if (!right)
        {
            throw new FileException(path, what);
        }
    }

    static string Short(string name) => name.Length <= 100 ? name : $"{name.AsSpan(0, 97)}...";

    /// <summary>A message that is composed only where something is wrong: a header has thousands of things that are right.</summary>
    [InterpolatedStringHandler]
    ref struct Fault
    {
        DefaultInterpolatedStringHandler text;

        public Fault(int literals, int values, bool right, out bool wanted)
        {
            wanted = !right;
            text = right ? default : new DefaultInterpolatedStringHandler(literals, values);
        }

        public string Text => text.ToStringAndClear();

        public void AppendLiteral(string literal) => text.AppendLiteral(literal);

        public void AppendFormatted(object? value) => text.AppendFormatted(value);
    }
}
