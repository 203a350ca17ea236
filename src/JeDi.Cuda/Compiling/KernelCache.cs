using System.Security.Cryptography;
using System.Text;

namespace JeDi.Cuda.Compiling;

/// <summary>
/// Compiled kernels on disk. A name is the hash of all that went in (sources, options, architecture) and the compiler's version; a
/// content is believed only if its own hash is right, so damaged and foreign files are made anew. Files are written under a temporary
/// name and renamed: two processes may do it at once.
/// </summary>
static class KernelCache
{
    /// <summary>Environment variable that names the folder; <c>off</c> keeps nothing.</summary>
    public const string FolderVariable = "JEDI_KERNEL_CACHE";

    /// <summary>Environment variable: a folder of kernels that were compiled elsewhere, e.g. where no NVRTC is installed.</summary>
    public const string PrebuiltVariable = "JEDI_KERNELS";

    const string Ending = ".kernel";

    /// <summary>Where kernels are kept; null where nothing is.</summary>
    public static string? Folder { get; } = FindFolder();

    /// <summary>Kernels that came with the program.</summary>
    public static string? Prebuilt { get; } = FindPrebuiltFolder();

    /// <summary>Hash of everything but the compiler's version.</summary>
    public static string Key(string source, string[] options, string architecture)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        KernelSources.AddTo(hash, source);
        foreach (string text in (string[])[.. options, architecture])
        {
            hash.AppendData(Encoding.UTF8.GetBytes(text));
            hash.AppendData([0]);
        }

        return $"{source}-{architecture}-{Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 12))}";
    }

    /// <summary>A kernel that was compiled before: one that came with the program whatever compiled it, or one of this compiler.</summary>
    /// <param name="key">Of <see cref="Key"/>.</param>
    /// <param name="compiler">Version, e.g. 12.4.</param>
    public static CompiledKernel? Find(string key, string compiler)
    {
        CompiledKernel? prebuilt = FindPrebuilt(key);
        if (prebuilt is not null || Folder is null)
        {
            return prebuilt;
        }

        string path = Path.Combine(Folder, $"{key}-{compiler}{Ending}");
        CompiledKernel? kept = Read(path);
        if (kept is not null)
        {
            Touch(path);
        }

        return kept;
    }

    /// <summary>One that came with the program.</summary>
    public static CompiledKernel? FindPrebuilt(string key) => Prebuilt is null ? null : Read(Path.Combine(Prebuilt, key + Ending));

    /// <summary>Keeps a kernel where that is possible: a full or read-only disk costs time at the next start, nothing else.</summary>
    public static void Keep(string key, string compiler, CompiledKernel kernel)
    {
        if (Folder is not null)
        {
            Write(Folder, $"{key}-{compiler}{Ending}", kernel);
        }
    }

    static CompiledKernel? Read(string path)
    {
        try
        {
            return File.Exists(path) ? CompiledKernel.FromFile(File.ReadAllBytes(path)) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    static void Write(string folder, string name, CompiledKernel kernel)
    {
        string temporary = Path.Combine(folder, $".{name}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}");
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(temporary, kernel.ToFile());
            File.Move(temporary, Path.Combine(folder, name), overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            TryDelete(temporary);
        }
    }

    /// <summary>The time of a file is that of its last use: what is old can be cleaned away.</summary>
    static void Touch(string path)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
        }
    }

    static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
        }
    }

    static string? FindFolder()
    {
        string? named = Environment.GetEnvironmentVariable(FolderVariable);
        if (named == "off")
        {
            return null;
        }

        if (named is { Length: > 0 })
        {
            return Path.GetFullPath(named);
        }

        const Environment.SpecialFolder Place = Environment.SpecialFolder.LocalApplicationData;
        string start = Environment.GetFolderPath(Place, Environment.SpecialFolderOption.DoNotVerify);
        return start.Length > 0 ? Path.Combine(start, "jedi-native", "kernels") : null;
    }

    static string? FindPrebuiltFolder()
    {
        string folder = Environment.GetEnvironmentVariable(PrebuiltVariable) is { Length: > 0 } named
            ? Path.GetFullPath(named)
            : Path.Combine(AppContext.BaseDirectory, "kernels");
        return Directory.Exists(folder) ? folder : null;
    }
}
