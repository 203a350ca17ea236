using System.Collections.Concurrent;
using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Weights of one component in safetensors files.</summary>
/// <param name="files">The files.</param>
/// <param name="names">Names that a weight which the network asks for may have in them, the usual one first; null: its own.</param>
/// <param name="part">What the component is called, for messages.</param>
public sealed class SafetensorsSource(SafetensorsSet files, Func<string, IEnumerable<string>>? names = null, string part = "model")
    : IWeightSource
{
    /// <summary>By the name that the network asks for: a tensor is read in many pieces.</summary>
    readonly ConcurrentDictionary<string, Stored> known = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public string Origin => files.Path;

    /// <exception cref="WeightException">It is not there (says how the file would spell it), or no network can hold it.</exception>
    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        if (!Find(name, out SafetensorsFile file, out SafetensorsEntry entry))
        {
            string spelt = Spellings(name).First();
            throw new WeightException($"{Origin}: tensor '{spelt}' {wanted} of the {part} is missing"
                + "; is this the right kind of model?");
        }

        Span<int> shape = stackalloc int[Shape.MaxRank];
        int rank = entry.Shape.Length;
        for (int i = 0; i < rank; i++)
        {
            if (rank > Shape.MaxRank || entry.Shape[i] > int.MaxValue)
            {
                throw new WeightException(
                    $"{file.Path}: tensor '{entry.Name}' has shape [{string.Join(", ", entry.Shape)}], the config wants {wanted}");
            }

            shape[i] = (int)entry.Shape[i];
        }

        stored = Shape.Create(shape[..rank]);
        type = Numbers.FromFile(entry.Type)
            ?? throw new WeightException($"{file.Path}: tensor '{entry.Name}' is {entry.Type}; networks take F32, F16 and BF16");
        return true;
    }

    /// <inheritdoc/>
    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        Find(name, out SafetensorsFile file, out SafetensorsEntry entry);
        file.Read(entry, destination, from);
    }

    /// <inheritdoc/>
    public void Announce(string name)
    {
        Find(name, out SafetensorsFile file, out SafetensorsEntry entry);
        file.Announce(entry);
    }

    /// <inheritdoc/>
    public (int File, long Offset) Place(string name)
    {
        Find(name, out SafetensorsFile file, out SafetensorsEntry entry);
        return (files.IndexOf(file), entry.Offset);
    }

    IEnumerable<string> Spellings(string name) => names?.Invoke(name) ?? [name];

    bool Find(string name, out SafetensorsFile file, out SafetensorsEntry entry)
    {
        if (known.TryGetValue(name, out Stored? stored))
        {
            (file, entry) = (stored.File, stored.Entry);
            return true;
        }

        foreach (string spelling in Spellings(name))
        {
            if (files.TryFind(spelling, out file, out entry))
            {
                known.TryAdd(name, new Stored(file, entry));
                return true;
            }
        }

        (file, entry) = (null!, null!);
        return false;
    }

    sealed record Stored(SafetensorsFile File, SafetensorsEntry Entry);
}
