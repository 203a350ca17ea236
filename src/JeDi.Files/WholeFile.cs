namespace JeDi.Files;

/// <summary>Reads small files at once.</summary>
public static class WholeFile
{
    /// <summary>All bytes of a file of at most <paramref name="most"/> bytes.</summary>
    /// <param name="kind">What the file should be, for the message when it is larger.</param>
    /// <param name="advice">What to do when there is no such file.</param>
    /// <exception cref="FileException">No such file, or it cannot be read, or is larger.</exception>
    public static byte[] Read(string path, long most, string kind, string? advice = null)
    {
        try
        {
            if (Directory.Exists(path))
            {
                throw new FileException(path, $"is a folder, not {kind}");
            }

            using FileStream file = File.OpenRead(path);
            if (file.CanSeek && file.Length > most)
            {
                throw new FileException(path, $"has {file.Length >> 20} MB, too much for {kind}");
            }

            // Pipes and devices do not say how much will come.
            return file is { CanSeek: true, Length: > 0 } ? ReadKnown(file) : ReadUnknown(file, path, most, kind);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FileException(path, advice is null ? "no such file" : $"no such file; {advice}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new FileException(path, $"cannot be read: {e.Message}", e);
        }
    }

    static byte[] ReadKnown(FileStream file)
    {
        var bytes = new byte[file.Length];
        int read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return read == bytes.Length ? bytes : bytes[..read];
    }

    static byte[] ReadUnknown(FileStream file, string path, long most, string kind)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int got = file.Read(buffer); got > 0; got = file.Read(buffer))
        {
            bytes.Write(buffer, 0, got);
            if (bytes.Length > most)
            {
                throw new FileException(path, $"gives more than {most >> 20} MB, too much for {kind}");
            }
        }

        return bytes.ToArray();
    }
}
