using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Weights of one component in safetensors files.</summary>
/// <param name="rename">Name in the file of a weight that the network asks for.</param>
public sealed class SafetensorsSource(SafetensorsSet files, Func<string, string>? rename = null) : IWeightSource
{
    public string Origin => files.Path;

    /// <exception cref="WeightException">The tensor is there, but no network can hold it.</exception>
    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        if (!files.TryFind(rename?.Invoke(name) ?? name, out SafetensorsFile file, out SafetensorsEntry entry))
        {
            (stored, type) = (default, default);
            return false;
        }

        if (entry.Shape.Length > Shape.MaxRank || entry.Shape.Any(size => size > int.MaxValue))
        {
            throw new WeightException(
                $"{file.Path}: tensor '{entry.Name}' has shape [{string.Join(", ", entry.Shape)}], the config wants {wanted}");
        }

        stored = Shape.Create([.. entry.Shape.Select(size => (int)size)]);
        type = Numbers.FromFile(entry.Type)
            ?? throw new WeightException($"{file.Path}: tensor '{entry.Name}' is {entry.Type}; networks take F32, F16 and BF16");
        return true;
    }

    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        files.TryFind(rename?.Invoke(name) ?? name, out SafetensorsFile file, out SafetensorsEntry entry);
        file.Read(entry, destination, from);
    }

    public (int File, long Offset) Place(string name)
    {
        files.TryFind(rename?.Invoke(name) ?? name, out SafetensorsFile file, out SafetensorsEntry entry);
        return (files.IndexOf(file), entry.Offset);
    }
}
