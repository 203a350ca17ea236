using JeDi.Files.Safetensors;

namespace JeDi.Tests.Golden;

/// <summary>A stored tensor as float32 values (bytes of images as 0..255), row-major in its shape.</summary>
public sealed record GoldenTensor(long[] Shape, float[] Values)
{
    /// <summary>All tensors of a safetensors file; none where there is no file (tokens stand in the JSON).</summary>
    public static Dictionary<string, GoldenTensor> ReadAll(string path)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Entries.ToDictionary(entry => entry.Name, entry => new GoldenTensor(entry.Shape, Read(file, entry)));
    }

    static float[] Read(SafetensorsFile file, SafetensorsEntry entry)
    {
        if (entry.Type != SafetensorsType.U8)
        {
            return file.ReadFloats(entry);
        }

        var bytes = new byte[entry.Count];
        file.Read(entry, bytes);
        return [.. bytes.Select(value => (float)value)];
    }
}
