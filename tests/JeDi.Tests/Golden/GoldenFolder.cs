using System.Text.Json;

namespace JeDi.Tests.Golden;

/// <summary>
/// A folder of golden files: every JSON with a <c>cases</c> list, and the safetensors of the same stem beside it. Cases are found by
/// what stands in the files; file names and order mean nothing.
/// </summary>
public sealed class GoldenFolder
{
    public GoldenFolder(string path)
    {
        Path = path;
        Files = [.. Directory.GetFiles(path, "*.json").Order(StringComparer.Ordinal).Select(GoldenFile.Open).OfType<GoldenFile>()];
    }

    /// <summary>The folder of the environment variable JEDI_GOLDEN, by default tests/golden of the repository.</summary>
    public static GoldenFolder Current { get; } = new(
        Environment.GetEnvironmentVariable("JEDI_GOLDEN") is { Length: > 0 } named ? named : Repository.Find("tests/golden"));

    public string Path { get; }

    public IReadOnlyList<GoldenFile> Files { get; }

    /// <summary>Safetensors of no golden file: their JSON is missing, or its <c>cases</c> are called otherwise.</summary>
    public IEnumerable<string> Orphans => Directory.GetFiles(Path, "*.safetensors")
        .Where(tensors => Files.All(file => System.IO.Path.ChangeExtension(file.FilePath, ".safetensors") != tensors));
}

/// <summary>One JSON with its cases and expected tensors.</summary>
public sealed class GoldenFile
{
    readonly Lazy<Dictionary<string, GoldenTensor>> tensors;

    GoldenFile(string path, JsonElement root)
    {
        FilePath = path;
        Stem = Path.GetFileNameWithoutExtension(path);
        Cases = root.GetProperty("cases");
        Configs = root.TryGetProperty("configs", out JsonElement configs) ? configs : default;
        RecipePrefix = root.TryGetProperty("recipe_prefix", out JsonElement prefix) ? prefix.GetString()! : "";
        tensors = new(() => GoldenTensor.ReadAll(Path.ChangeExtension(path, ".safetensors")));
    }

    public string FilePath { get; }

    public string Folder => Path.GetDirectoryName(FilePath)!;

    public string Stem { get; }

    public JsonElement Cases { get; }

    /// <summary>The structure behind each case's <c>config</c>, by name; undefined where the cases hold theirs.</summary>
    public JsonElement Configs { get; }

    /// <summary>What stands before every recipe name of this file.</summary>
    public string RecipePrefix { get; }

    public IReadOnlyDictionary<string, GoldenTensor> Tensors => tensors.Value;

    /// <summary>The file, or null for a JSON without cases (names and shapes, key maps).</summary>
    public static GoldenFile? Open(string path)
    {
        JsonElement root = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        return root.ValueKind == JsonValueKind.Object && root.TryGetProperty("cases", out _) ? new GoldenFile(path, root) : null;
    }

    public override string ToString() => Stem;
}
