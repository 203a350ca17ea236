namespace JeDi.Files;

/// <summary>Writes a file whole or not at all: under a temporary name in the same folder, then renamed.</summary>
public static class AtomicFile
{
    /// <summary>
    /// Writes <paramref name="path"/> by <paramref name="write"/>. If that fails, nothing is left and an existing file is as it was.
    /// </summary>
    /// <param name="wrap">Puts a stream around the file's, for tests that let writing fail.</param>
    /// <exception cref="FileException">The file cannot be written (full disk, no permission, no such folder).</exception>
    public static void Write(string path, Action<Stream> write, Func<Stream, Stream>? wrap = null)
    {
        string temporary = $"{path}.{Environment.ProcessId}-{Environment.CurrentManagedThreadId}.tmp";
        try
        {
            using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16))
            {
                Stream stream = wrap is null ? file : wrap(file);
                write(stream);
                stream.Flush();
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e)
        {
            Remove(temporary);
            // .NET reports a file that grows beyond what the file system takes as an argument out of range.
            if (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentOutOfRangeException)
            {
                throw new FileException(path, $"cannot be written: {FirstLine(e.Message)}", e);
            }

            throw;
        }
    }

    /// <summary>All bytes at once.</summary>
    public static void Write(string path, ReadOnlyMemory<byte> bytes, Func<Stream, Stream>? wrap = null) =>
        Write(path, stream => stream.Write(bytes.Span), wrap);

    static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to report.
        }
    }

    static string FirstLine(string message) => message.Split('\n')[0].TrimEnd();
}
