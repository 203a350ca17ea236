using System.Globalization;

namespace JeDi.Cpu;

/// <summary>What the system tells about its memory.</summary>
static class SystemMemory
{
    const string ControlGroup = "/sys/fs/cgroup/";

    /// <summary>Bytes that can be taken without swapping; within a container, what its limit leaves.</summary>
    public static long Available()
    {
        if (!OperatingSystem.IsLinux())
        {
            GCMemoryInfo info = GC.GetGCMemoryInfo();
            return info.TotalAvailableMemoryBytes - info.MemoryLoadBytes;
        }

        long free = Entry("/proc/meminfo", "MemAvailable:") is { } kilobytes ? kilobytes * 1024
            : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (Entry(ControlGroup + "memory.max", "") is { } limit && Entry(ControlGroup + "memory.current", "") is { } used)
        {
            // File cache counts as used, but is given up on demand.
            long cache = Entry(ControlGroup + "memory.stat", "inactive_file ") ?? 0;
            free = Math.Min(free, limit - used + cache);
        }

        return Math.Max(0, free);
    }

    /// <summary>
    /// The number after <paramref name="key"/> at the start of a line; null where the file, the line or the number is missing.
    /// </summary>
    static long? Entry(string path, string key)
    {
        try
        {
            foreach (string line in File.ReadLines(path))
            {
                if (line.StartsWith(key, StringComparison.Ordinal))
                {
                    string number = line[key.Length..].Trim().Split(' ')[0];
                    return long.TryParse(number, CultureInfo.InvariantCulture, out long value) ? value : null;
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
        }

        return null;
    }
}
