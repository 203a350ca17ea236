using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text;
using TorchSharp;

namespace JeDi.Bench.Peers;

/// <summary>
/// The native half of TorchSharp, made to load on systems whose C++ library is slightly older than the one it was built with, such as
/// Debian 12's. It demands version GLIBCXX_3.4.32 of that library, which compilers since GCC 13 note wherever the C++ streams are in
/// use; no code refers to anything of that version. So where the library does not load as it is, a copy that calls the demand optional
/// takes its place.
/// </summary>
static class TorchLibrary
{
    const string Name = "LibTorchSharp";
    const string UnusedVersion = "GLIBCXX_3.4.32";

    // Values and sizes of the ELF format, 64 bits.
    const int SectionTableAt = 40;
    const int SectionBytes = 64;
    const int SectionCountAt = 60;
    const uint NeededVersions = 0x6FFFFFFE;
    const ushort Optional = 2;

    /// <summary>
    /// Loads it, or throws. TorchSharp is asked last: where loading fails, it copies the libraries once more and prints a page of text.
    /// </summary>
    public static void Load()
    {
        string folders = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        string path = folders.Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, $"lib{Name}.so"))
            .FirstOrDefault(File.Exists) ?? throw new DllNotFoundException($"there is no lib{Name}.so for this system");
        if (!NativeLibrary.TryLoad(path, out _))
        {
            nint copy = LoadCopy(path);
            AssemblyLoadContext.Default.ResolvingUnmanagedDll += (_, name) => name == Name ? copy : 0;
        }

        torch.InitializeDeviceType(DeviceType.CPU);
    }

    static nint LoadCopy(string path)
    {
        byte[] library = File.ReadAllBytes(path);
        MakeOptional(library, UnusedVersion);

        // It looks for its neighbours in its own folder, unless they are there already.
        NativeLibrary.Load(Path.Combine(Path.GetDirectoryName(path)!, "libtorch.so"));
        string folder = Directory.CreateTempSubdirectory("jedi-torch").FullName;
        try
        {
            string copy = Path.Combine(folder, Path.GetFileName(path));
            File.WriteAllBytes(copy, library);
            return NativeLibrary.Load(copy);
        }
        finally
        {
            // What is loaded stays so without its file.
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Marks what a library needs of another one's version as weak: the loader then goes on without it.</summary>
    static void MakeOptional(byte[] library, string version)
    {
        int table = (int)Read<long>(SectionTableAt);
        for (int section = table; section < table + Read<ushort>(SectionCountAt) * SectionBytes; section += SectionBytes)
        {
            if (Read<uint>(section + 4) == NeededVersions)
            {
                int names = (int)Read<long>(table + Read<int>(section + 40) * SectionBytes + 24);
                MarkFiles((int)Read<long>(section + 24), names);
            }
        }

        // Elf64_Verneed: each file with its list of versions. Elf64_Vernaux: hash, flags, index, name, offset of the next one.
        void MarkFiles(int file, int names)
        {
            for (int step = -1; step != 0; file += step)
            {
                MarkVersions(file + Read<int>(file + 8), names);
                step = Read<int>(file + 12);
            }
        }

        void MarkVersions(int entry, int names)
        {
            for (int step = -1; step != 0; entry += step)
            {
                if (library.AsSpan(names + Read<int>(entry + 8)).StartsWith(Encoding.ASCII.GetBytes(version + "\0")))
                {
                    MemoryMarshal.Write(library.AsSpan(entry + 4), Optional);
                }

                step = Read<int>(entry + 12);
            }
        }

        T Read<T>(int at) where T : unmanaged => MemoryMarshal.Read<T>(library.AsSpan(at));
    }
}
