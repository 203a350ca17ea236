using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace JeDi.Bench;

/// <summary>The system's copies of files.</summary>
static partial class PageCache
{
    const int DontNeed = 4;

    /// <summary>Drops those of one file, so that the next read comes from the disk; false where that cannot be asked for.</summary>
    public static bool Drop(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        using SafeFileHandle file = File.OpenHandle(path);
        return Advise(file, 0, 0, DontNeed) == 0;
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);
}
