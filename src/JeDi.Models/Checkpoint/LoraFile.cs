using JeDi.Files.Safetensors;

namespace JeDi.Models;

/// <summary>
/// A file of changes to weights that are arithmetic at load: low-rank products (LoRA, LoCon with or without a mid tensor), their Hadamard
/// and Kronecker products (LoHa, LoKr), magnitudes (DoRA), and full differences of weights, norms and biases.
/// </summary>
sealed class LoraFile
{
    const string Bundled = "bundle_emb.";

    readonly Dictionary<(Component, string), LoraChange> changes = [];
    readonly List<string> doubts = [];

    LoraFile(string path) => Path = path;

    public string Path { get; }

    /// <summary>What is in the file and changes nothing: a line for each.</summary>
    public IReadOnlyList<string> Doubts => doubts;

    /// <summary>Components whose weights it changes.</summary>
    public IEnumerable<Component> Components => changes.Keys.Select(key => key.Item1).Distinct();

    /// <summary>Reads all factors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="modules">The modules of a component, by their plain names in either form.</param>
    /// <param name="shape">Shape of a component's weight, null where there is none.</param>
    /// <exception cref="CheckpointException">A kind that cannot be merged, an unknown name, a missing factor.</exception>
    public static LoraFile Open(
        string path, Func<Component, IReadOnlyDictionary<string, string>> modules, Func<Component, string, IReadOnlyList<int>?> shape)
    {
        var lora = new LoraFile(path);
        using var file = SafetensorsFile.Open(path);
        if (file.Entries.Select(entry => LoraNames.OtherKind(entry.Name)).FirstOrDefault(kind => kind is not null) is string other)
        {
            string name = file.Entries.First(entry => LoraNames.OtherKind(entry.Name) == other).Name;
            throw new CheckpointException($"{path}: holds {other} ('{name}'), which is not supported; "
                + "what is merged are LoRA, LoCon, LoHa, LoKr, DoRA and full differences");
        }

        var found = new Dictionary<(Component, string), LoraModule>();
        var unmatched = new List<string>();
        foreach (SafetensorsEntry entry in lora.Counting(file.Entries))
        {
            if (LoraNames.Cut(entry.Name) is (string spelling, LoraPart part)
                && Place(spelling) is (Component Component, string Module) key)
            {
                found.TryAdd(key, new LoraModule(path, key.Module));
                found[key].Add(part, Read(file, entry));
            }
            else
            {
                unmatched.Add(entry.Name);
            }
        }

        if (unmatched.Count > 0 || found.Count == 0)
        {
            throw new CheckpointException($"{path}: {unmatched.Count} of {file.Entries.Count} names match no weight of this model, "
                + $"the first is '{unmatched.FirstOrDefault()}'; is it a LoRA for another kind of model?");
        }

        LoraSettings settings = LoraSettings.Read(file);
        foreach (((Component component, string module), LoraModule parts) in found)
        {
            double? Scale(int rank) => settings.Scale(component, module, rank);
            lora.Put(component, module + ".weight", shape, size => parts.OfWeight(size, Scale));
            lora.Put(component, module + ".bias", shape, _ => parts.OfBias(Scale));
        }

        return lora;

        (Component Component, string Module)? Place(string spelling)
        {
            foreach ((Component component, string plain) in LoraNames.Places(spelling))
            {
                if (modules(component).TryGetValue(plain, out string? module))
                {
                    return (component, module);
                }
            }

            return null;
        }
    }

    public LoraChange? Find(Component component, string name) => changes.GetValueOrDefault((component, name));

    /// <summary>Without what a loader passes over: bundled embeddings, and one of two spellings.</summary>
    IEnumerable<SafetensorsEntry> Counting(IReadOnlyList<SafetensorsEntry> entries)
    {
        SafetensorsEntry[] bundled = [.. entries.Where(entry => entry.Name.StartsWith(Bundled, StringComparison.Ordinal))];
        if (bundled.Length > 0)
        {
            doubts.Add($"{Path}: the embeddings bundled in it ({bundled.Length} tensors, '{bundled[0].Name}') are not read; "
                + "give them as EngineOptions.Embeddings");
        }

        SafetensorsEntry[] rest = [.. entries.Except(bundled)];
        SafetensorsEntry[] single = [.. rest.Where(entry => LoraNames.IsSingleFileStyle(entry.Name))];
        if (single.Length == 0 || !rest.Any(entry => LoraNames.IsFolderStyle(entry.Name)))
        {
            return rest;
        }

        doubts.Add($"{Path}: has names of both forms; as diffusers does, the {single.Length} of the single-file form ('{single[0].Name}') "
            + "are passed over");
        return rest.Except(single);
    }

    void Put(
        Component component, string name, Func<Component, string, IReadOnlyList<int>?> shape, Func<IReadOnlyList<int>, LoraChange?> change)
    {
        IReadOnlyList<int>? size = shape(component, name);
        if (change(size ?? [0]) is not LoraChange found)
        {
            return;
        }

        if (size is null)
        {
            throw new CheckpointException($"{Path}: changes '{name}', which this model does not have"
                + (name.EndsWith(".bias", StringComparison.Ordinal) ? " (a bias of a layer without one cannot be merged)" : ""));
        }

        long count = size.Aggregate(1L, (product, dimension) => product * dimension);
        changes[(component, name)] = (long)found.Delta.Rows * found.Delta.Columns == count ? found : throw new CheckpointException(
            $"{Path}: the change of '{name}' [{string.Join(", ", size)}] has {(long)found.Delta.Rows * found.Delta.Columns} values");
    }

    static LoraTensor Read(SafetensorsFile file, SafetensorsEntry entry)
    {
        if (entry.Shape.Any(size => size > int.MaxValue) || entry.Count > Array.MaxLength)
        {
            throw new CheckpointException($"{file.Path}: '{entry.Name}' has too many values for a factor");
        }

        float[] values = entry.Count == 1 && WholeNumber(file, entry) is long whole ? [whole] : file.ReadFloats(entry);
        return new LoraTensor(entry.Name, [.. entry.Shape.Select(size => (int)size)], values);
    }

    /// <summary>One trainer keeps alpha as it was given, which may be an integer.</summary>
    static long? WholeNumber(SafetensorsFile file, SafetensorsEntry entry)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        if (entry.Type is not (SafetensorsType.I64 or SafetensorsType.U64 or SafetensorsType.I32 or SafetensorsType.U32
            or SafetensorsType.I16 or SafetensorsType.U16 or SafetensorsType.I8 or SafetensorsType.U8))
        {
            return null;
        }

        file.Read(entry, bytes[..(int)entry.Bytes]);
        return entry.Type switch
        {
            SafetensorsType.I8 => (sbyte)bytes[0],
            SafetensorsType.I16 => BitConverter.ToInt16(bytes),
            SafetensorsType.I32 => BitConverter.ToInt32(bytes),
            _ => BitConverter.ToInt64(bytes),
        };
    }
}
