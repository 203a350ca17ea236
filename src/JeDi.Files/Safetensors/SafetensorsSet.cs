using System.Text.Json;

namespace JeDi.Files.Safetensors;

/// <summary>The tensors of one file, or of several with an index (<c>*.safetensors.index.json</c>), under one roof.</summary>
public sealed class SafetensorsSet : IDisposable
{
    const long LargestIndex = 64L << 20;

    readonly List<SafetensorsFile> files = [];

    SafetensorsSet(string path) => Path = path;

    /// <summary>The file, or the index.</summary>
    public string Path { get; }

    /// <summary>The files, in order.</summary>
    public IReadOnlyList<SafetensorsFile> Files => files;

    /// <summary>Every tensor, with the file that it is in.</summary>
    public IEnumerable<SafetensorsEntry> Entries => files.SelectMany(file => file.Entries);

    /// <summary>Opens a .safetensors file, or all files that an index names.</summary>
    /// <exception cref="FileException">A file is missing or not valid, or index and files disagree.</exception>
    public static SafetensorsSet Open(string path)
    {
        var set = new SafetensorsSet(path);
        try
        {
            foreach (string file in path.EndsWith(".json", StringComparison.Ordinal) ? Shards(path) : [path])
            {
                set.Add(SafetensorsFile.Open(file));
            }

            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of this name and the file that holds it.</summary>
    public bool TryFind(string name, out SafetensorsFile file, out SafetensorsEntry entry)
    {
        foreach (SafetensorsFile one in files)
        {
            if (one.Find(name) is SafetensorsEntry found)
            {
                (file, entry) = (one, found);
                return true;
            }
        }

        (file, entry) = (null!, null!);
        return false;
    }

    /// <summary>Place of one of the files.</summary>
    public int IndexOf(SafetensorsFile file) => files.IndexOf(file);

    /// <summary>Closes all files.</summary>
    public void Dispose() => files.ForEach(file => file.Dispose());

    void Add(SafetensorsFile file)
    {
        if (files.Count > 0 && file.Entries.FirstOrDefault(entry => TryFind(entry.Name, out _, out _)) is SafetensorsEntry twice)
        {
            file.Dispose();
            throw new FileException(file.Path, $"tensor '{twice.Name}' stands in another file of {Path} too");
        }

        files.Add(file);
    }

    static List<string> Shards(string index)
    {
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(index))!;
        try
        {
            using JsonDocument json = JsonDocument.Parse(PythonJson.Standard(WholeFile.Read(index, LargestIndex, "an index")));
            var names = new SortedSet<string>(StringComparer.Ordinal);
            foreach (JsonProperty entry in json.RootElement.GetProperty("weight_map").EnumerateObject())
            {
                string name = entry.Value.GetString() ?? "";
                if (name.Length == 0 || name != System.IO.Path.GetFileName(name))
                {
                    throw new FileException(index, $"names the file '{name}', which is not in its own folder");
                }

                names.Add(name);
            }

            return [.. names.Select(name => System.IO.Path.Combine(folder, name))];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FileException(index, "is not an index of safetensors files (no 'weight_map' of names)", e);
        }
    }
}
