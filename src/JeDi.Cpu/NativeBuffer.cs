using System.Runtime.InteropServices;

namespace JeDi.Cpu;

/// <summary>Unmanaged memory; 64-byte aligned, large ones on 2 MB boundaries with huge pages asked for.</summary>
public unsafe struct NativeBuffer
{
    const nuint HugePage = 2u << 20;
    const nuint Page = 4096;
    const int AdviseHugePages = 14;
    const int ReadAndWrite = 1 | 2;
    const int PrivateAnonymous = 2 | 0x20;

    // A mapping of its own goes back to the system when it is freed; the allocator would keep it.
    const nuint OwnMapping = 256u << 10;

    bool mapped;

    /// <summary>First byte; null when empty.</summary>
    public void* Address { get; private set; }

    /// <summary>Size as asked for.</summary>
    public long Bytes { get; private set; }

    /// <summary>Contents are undefined.</summary>
    /// <exception cref="OutOfMemoryException">The system has no such memory.</exception>
    public static NativeBuffer Allocate(long bytes)
    {
        nuint size = (nuint)Math.Max(bytes, 64);
        if (OperatingSystem.IsLinux() && size >= OwnMapping)
        {
            return new() { Address = Map(size), Bytes = bytes, mapped = true };
        }

        void* address = size < HugePage
            ? NativeMemory.AlignedAlloc(size, 64)
            : NativeMemory.AlignedAlloc((size + HugePage - 1) / HugePage * HugePage, HugePage);
        return new() { Address = address, Bytes = bytes };
    }

    /// <summary>Gives the memory back; the buffer is empty then.</summary>
    public void Free()
    {
        if (mapped)
        {
            _ = LibC.Unmap(Address, (nuint)Bytes);
        }
        else
        {
            NativeMemory.AlignedFree(Address);
        }

        mapped = false;
        Address = null;
        Bytes = 0;
    }

    /// <summary>Memory from the system, on a boundary of huge pages where it has one inside.</summary>
    static void* Map(nuint size)
    {
        nuint slack = size < HugePage ? 0 : HugePage;
        var first = (byte*)LibC.Map(null, size + slack, ReadAndWrite, PrivateAnonymous, -1, 0);
        if ((nint)first == -1)
        {
            throw new OutOfMemoryException();
        }

        if (slack == 0)
        {
            return first;
        }

        nuint before = (HugePage - (nuint)first % HugePage) % HugePage;
        nuint end = (before + size + Page - 1) / Page * Page;
        if (before > 0)
        {
            _ = LibC.Unmap(first, before);
        }

        if (end < size + slack)
        {
            _ = LibC.Unmap(first + end, size + slack - end);
        }

        // Advice only: where the system has no huge pages, small ones do. Saves up to a tenth of a matrix product's time.
        _ = LibC.MemoryAdvise(first + before, size, AdviseHugePages);
        return first + before;
    }
}

static unsafe partial class LibC
{
    [LibraryImport("libc", EntryPoint = "mmap")]
    internal static partial void* Map(void* address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    internal static partial int Unmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    internal static partial int MemoryAdvise(void* address, nuint length, int advice);
}
