using System.Collections.Concurrent;

namespace JeDi.Files;

/// <summary>Writes a file whole or not at all: under a temporary name in the same folder, then renamed.</summary>
public static class AtomicFile
{
    /// <summary>Files that are being written, under their temporary names.</summary>
    static readonly ConcurrentDictionary<string, bool> unfinished = new(StringComparer.Ordinal);

    /// <summary>
    /// Writes <paramref name="path"/> by <paramref name="write"/>. If that fails, nothing is left and an existing file is as it was.
    /// </summary>
    /// <param name="wrap">Puts a stream around the file's, for tests that let writing fail.</param>
    /// <exception cref="FileException">The file cannot be written (full disk, no permission, no such folder).</exception>
    public static void Write(string path, Action<Stream> write, Func<Stream, Stream>? wrap = null) =>
        Put(path, write, wrap, temporary => Replace(temporary, path));

    /// <summary>Removes what is half written: for a process that is about to end.</summary>
    public static void RemoveUnfinished()
    {
        foreach (string temporary in unfinished.Keys)
        {
            Remove(temporary);
        }
    }

    /// <summary>All bytes at once.</summary>
    public static void Write(string path, ReadOnlyMemory<byte> bytes, Func<Stream, Stream>? wrap = null) =>
        Write(path, stream => stream.Write(bytes.Span), wrap);

    /// <summary>The same under a name that is free: of several processes that try one name, one alone gets it.</summary>
    /// <returns>Whether it was written; false if something has that name already.</returns>
    /// <exception cref="FileException">The file cannot be written.</exception>
    public static bool Create(string path, ReadOnlyMemory<byte> bytes, Func<Stream, Stream>? wrap = null) =>
        Put(path, stream => stream.Write(bytes.Span), wrap, temporary => Claim(temporary, path));

    static bool Put(string path, Action<Stream> write, Func<Stream, Stream>? wrap, Func<string, bool> rename)
    {
        string temporary = $"{path}.{Environment.ProcessId}-{Environment.CurrentManagedThreadId}.tmp";
        unfinished[temporary] = true;
        try
        {
            using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16))
            {
                Stream stream = wrap is null ? file : wrap(file);
                write(stream);
                stream.Flush();
                file.Flush(flushToDisk: true);
            }

            return rename(temporary);
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
        finally
        {
            unfinished.TryRemove(temporary, out _);
        }
    }

    static bool Replace(string temporary, string path)
    {
        File.Move(temporary, path, overwrite: true);
        return true;
    }

    /// <summary>
    /// The name is taken by an empty file first: a move that shall not overwrite looks and then moves, and between the two another
    /// process may have the name.
    /// </summary>
    static bool Claim(string temporary, string path)
    {
        try
        {
            new FileStream(path, FileMode.CreateNew, FileAccess.Write).Dispose();
        }
        catch (IOException) when (Path.Exists(path))
        {
            File.Delete(temporary);
            return false;
        }

        try
        {
            return Replace(temporary, path);
        }
        catch
        {
            Remove(path);
            throw;
        }
    }

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
