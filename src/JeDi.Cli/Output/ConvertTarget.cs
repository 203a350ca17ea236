using JeDi.Models;

namespace JeDi.Cli.Output;

/// <summary>Where <c>convert</c> writes: what may be replaced, and how.</summary>
public static class ConvertTarget
{
    /// <summary>Endings that promise what is not written.</summary>
    static readonly HashSet<string> others =
    [
        ".ckpt", ".bin", ".pt", ".pth", ".pkl", ".gguf", ".ggml", ".onnx", ".h5", ".hdf5", ".msgpack", ".npz", ".npy", ".zip", ".tar",
        ".gz", ".json", ".yaml", ".txt", ".png", ".jpg", ".jpeg", ".webp",
    ];

    /// <summary>Whether the target is free or may be replaced.</summary>
    /// <exception cref="JeDiException">Neither: says what is there.</exception>
    public static void Check(string target, bool oneFile, bool force)
    {
        string whole = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        string ending = Path.GetExtension(whole).ToLowerInvariant();
        if (others.Contains(ending))
        {
            throw new JeDiException($"{target}: {ending} is another format; name a .safetensors file or a folder");
        }

        for (string? above = Path.GetDirectoryName(whole); above is not null; above = Path.GetDirectoryName(above))
        {
            if (File.Exists(above))
            {
                throw new JeDiException($"{target}: {above} is a file, no folder; name another");
            }
        }

        if (!Path.Exists(whole))
        {
            return;
        }

        if (!force)
        {
            throw new JeDiException($"{target}: exists already; name another, or add --force to replace it");
        }

        if (File.Exists(whole))
        {
            if (!oneFile)
            {
                throw new JeDiException($"{target}: is a file, and a folder is to be written; name another, or add --single-file");
            }

            return;
        }

        string[] files = [.. Directory.EnumerateFiles(whole, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(whole, file)).Order(StringComparer.Ordinal)];
        if (files.Length > 0 && !files.Contains(Path.Combine("unet", "config.json")))
        {
            throw new JeDiException($"{target}: is a folder that holds no model, and is not replaced; name another");
        }

        if (files.FirstOrDefault(file => !IsOfModel(file)) is string foreign)
        {
            throw new JeDiException($"{target}: is not replaced, as it holds more than a model: {foreign}; move that away or name another");
        }
    }

    /// <exception cref="JeDiException">So many bytes do not fit.</exception>
    public static void CheckSpace(string target, long bytes)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(target)) ?? "/";
        while (!Directory.Exists(folder))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        long free = new DriveInfo(folder).AvailableFreeSpace;
        if (free < bytes)
        {
            throw new JeDiException(
                $"{target}: {bytes >> 20} MB are needed, {free >> 20} MB are free on {folder}; choose another disk or --dtype f16");
        }
    }

    /// <summary>Writes beside a target that exists and puts it in its place when it is whole.</summary>
    public static void Write(Checkpoint checkpoint, string target, ConvertOptions options, IProgress<double> progress)
    {
        string whole = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        Directory.CreateDirectory(Path.GetDirectoryName(whole)!);
        if (!Directory.Exists(whole))
        {
            CheckpointWriter.Write(checkpoint, whole, options, progress);
            return;
        }

        string beside = $"{whole}.{Environment.ProcessId}.new";
        CheckpointWriter.Write(checkpoint, beside, options, progress);
        string old = $"{whole}.{Environment.ProcessId}.old";
        Directory.Move(whole, old);
        try
        {
            // Renames a file, too.
            Directory.Move(beside, whole);
        }
        catch
        {
            Directory.Move(old, whole);
            throw;
        }

        Directory.Delete(old, recursive: true);
    }

    /// <summary>Whether convert writes a file of this name.</summary>
    static bool IsOfModel(string file) => CheckpointWriter.FolderFiles.Contains(file.Replace(Path.DirectorySeparatorChar, '/'));
}
