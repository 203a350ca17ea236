using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace JeDi.Files;

/// <summary>Asks the system to fetch a part of a file into its cache: posix_fadvise, on Linux alone. A hint; nothing fails.</summary>
static partial class ReadAhead
{
    const int WillNeed = 3;

    // The system shortens a wish to what it reads ahead for a device anyway, often no more than this.
    const long Piece = 1 << 20;

    internal static void Begin(SafeFileHandle file, long offset, long bytes)
    {
        if (OperatingSystem.IsLinux() && Environment.Is64BitProcess)
        {
            for (long done = 0; done < bytes; done += Piece)
            {
                _ = Advise(file, offset + done, Math.Min(Piece, bytes - done), WillNeed);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long bytes, int advice);
}
