namespace JeDi.Files;

/// <summary>Reads small files at once.</summary>
static class WholeFile
{
    /// <summary>All bytes of a file of at most <paramref name="most"/> bytes.</summary>
    /// <param name="kind">What the file should be, for the message when it is larger.</param>
    /// <param name="advice">What to do when there is no such file.</param>
    /// <exception cref="FileException">No such file, or it cannot be read, or is larger.</exception>
    public static byte[] Read(string path, long most, string kind, string? advice = null)
    {
        try
        {
            var info = new FileInfo(path);
            return info.Exists && info.Length > most
                ? throw new FileException(path, $"has {info.Length >> 20} MB, too much for {kind}")
                : File.ReadAllBytes(path);
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
}
