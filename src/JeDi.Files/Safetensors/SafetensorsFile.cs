using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace JeDi.Files.Safetensors;

/// <summary>
/// A safetensors file, open for reading. Tensors are read by position, so several threads may read at once, files may be larger than
/// 2 GB, and a file that is cut short while open gives an error instead of a signal.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    const int Window = 1 << 20;

    readonly SafeFileHandle handle;
    readonly Dictionary<string, SafetensorsEntry> byName;

    SafetensorsFile(string path, SafeFileHandle handle, List<SafetensorsEntry> entries, Dictionary<string, string> metadata)
    {
        Path = path;
        this.handle = handle;
        Entries = entries;
        Metadata = metadata;
        byName = entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>All tensors in the order of the header.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>The texts of <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <exception cref="FileException">No such file, or not a valid safetensors file: says what is wrong.</exception>
    public static SafetensorsFile Open(string path)
    {
        SafeFileHandle? handle = null;
        try
        {
            // The system reads further ahead of the loader: twice as fast from a disk.
            handle = File.OpenHandle(path, options: FileOptions.SequentialScan);
            long length = RandomAccess.GetLength(handle);
            Span<byte> first = stackalloc byte[Mistaken.Look];
            first = first[..RandomAccess.Read(handle, first, 0)];
            if (first.Length < 8)
            {
                throw new FileException(path, Mistaken.Describe(first) ?? $"has {length} bytes, too few for a safetensors file; "
                    + "copy or download it again");
            }

            long header = BinaryPrimitives.ReadInt64LittleEndian(first);
            if (header < 2 || header > SafetensorsHeader.LargestHeader)
            {
                throw new FileException(path, Mistaken.Describe(first) ?? "is not a safetensors file (its header would be "
                    + $"{BinaryPrimitives.ReadUInt64LittleEndian(first)} bytes long); is it complete?");
            }

            if (header > length - 8)
            {
                throw new FileException(path, Mistaken.Describe(first)
                    ?? $"is cut short within its header ({length} bytes); copy or download it again");
            }

            var json = new byte[header];
            ReadExactly(handle, path, json, 8);
            var (entries, metadata) = SafetensorsHeader.Parse(path, json, length);
            return new SafetensorsFile(path, handle, entries, metadata);
        }
        catch (Exception e)
        {
            handle?.Dispose();
            if (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
            {
                throw new FileException(path, e is FileNotFoundException or DirectoryNotFoundException ? "no such file"
                    : $"cannot be opened: {e.Message.Split('\n')[0]}", e);
            }

            throw;
        }
    }

    /// <summary>The tensor of this name, or null.</summary>
    public SafetensorsEntry? Find(string name) => byName.GetValueOrDefault(name);

    /// <summary>Bytes of a tensor from byte <paramref name="from"/> on, as stored (little endian, row-major).</summary>
    /// <exception cref="FileException">The file ended early or cannot be read.</exception>
    public void Read(SafetensorsEntry entry, Span<byte> destination, long from = 0)
    {
        if (from < 0 || destination.Length > entry.Bytes - from)
        {
            throw new ArgumentOutOfRangeException(nameof(from),
                $"{destination.Length} bytes from {from} of '{entry.Name}', which has {entry.Bytes}");
        }

        ReadExactly(handle, Path, destination, entry.Offset + from);
    }

    /// <summary>Says that the tensor will be read soon: the system fetches it from the disk meanwhile, where it can be told.</summary>
    public void Announce(SafetensorsEntry entry) => ReadAhead.Begin(handle, entry.Offset, entry.Bytes);

    /// <summary>Elements of a floating-point tensor from element <paramref name="from"/> on, widened or rounded to F32.</summary>
    /// <exception cref="FileException">The type is no floating-point type, or the file ended early.</exception>
    public void ReadFloats(SafetensorsEntry entry, Span<float> destination, long from = 0)
    {
        if (!Floats.Takes(entry.Type))
        {
            throw new FileException(Path, $"tensor '{entry.Name}' has type {entry.Type}; a network takes F32, F16 or BF16");
        }

        int size = entry.Type.Bits() / 8;
        if (entry.Type == SafetensorsType.F32)
        {
            Read(entry, MemoryMarshal.AsBytes(destination), from * size);
            return;
        }

        var window = new byte[Math.Min((long)destination.Length * size, Window)];
        for (int done = 0; done < destination.Length;)
        {
            int count = Math.Min(destination.Length - done, window.Length / size);
            Span<byte> bytes = window.AsSpan(0, count * size);
            Read(entry, bytes, (from + done) * size);
            Floats.Convert(entry.Type, bytes, destination.Slice(done, count));
            done += count;
        }
    }

    /// <summary>A whole floating-point tensor as F32.</summary>
    public float[] ReadFloats(SafetensorsEntry entry)
    {
        var values = new float[entry.Count];
        ReadFloats(entry, values);
        return values;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => handle.Dispose();

    static void ReadExactly(SafeFileHandle handle, string path, Span<byte> destination, long offset)
    {
        try
        {
            while (destination.Length > 0)
            {
                int got = RandomAccess.Read(handle, destination, offset);
                if (got == 0)
                {
                    throw new FileException(path, "ended while it was read; was it changed meanwhile?");
                }

                destination = destination[got..];
                offset += got;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FileException(path, $"cannot be read: {e.Message.Split('\n')[0]}", e);
        }
    }
}
