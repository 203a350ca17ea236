using JeDi.Files.Safetensors;

namespace JeDi.Models;

/// <summary>
/// A file of low-rank changes: for a weight W [n, ..] the two factors up [n, r] and down [r, ..] of its change
/// alpha / r * up * down. Read are the names of the common trainers: <c>lora_unet_….lora_down</c> with <c>alpha</c>, and diffusers'
/// <c>unet.….lora_A</c>, <c>….lora.down</c>, <c>….processor.…_lora.down</c>.
/// </summary>
sealed class LoraFile
{
    static readonly (string Suffix, Role Role)[] suffixes =
    [
        (".alpha", Role.Alpha),
        (".lora_down.weight", Role.Down),
        (".lora_up.weight", Role.Up),
        (".lora_A.weight", Role.Down),
        (".lora_B.weight", Role.Up),
        (".lora_A.default.weight", Role.Down),
        (".lora_B.default.weight", Role.Up),
        (".lora.down.weight", Role.Down),
        (".lora.up.weight", Role.Up),
        ("_lora.down.weight", Role.Down),
        ("_lora.up.weight", Role.Up),
        (".lora_linear_layer.down.weight", Role.Down),
        (".lora_linear_layer.up.weight", Role.Up),
    ];

    static readonly (string Prefix, Component Component)[] prefixes =
    [
        ("lora_unet_", Component.UNet),
        ("unet_", Component.UNet),
        ("lora_te1_", Component.TextEncoder),
        ("lora_te_", Component.TextEncoder),
        ("text_encoder_", Component.TextEncoder),
    ];

    readonly Dictionary<(Component, string), LoraFactors> factors = [];

    LoraFile(string path) => Path = path;

    enum Role
    {
        Down,
        Up,
        Alpha,
    }

    public string Path { get; }

    /// <summary>Reads the factors; they are small.</summary>
    /// <param name="modules">The weights of a component by their module's plain name.</param>
    /// <exception cref="CheckpointException">A name matches no weight of the model, or a factor is missing.</exception>
    public static LoraFile Open(string path, Func<Component, IReadOnlyDictionary<string, string>> modules)
    {
        var lora = new LoraFile(path);
        using var file = SafetensorsFile.Open(path);
        var unmatched = new List<string>();
        foreach (SafetensorsEntry entry in file.Entries)
        {
            if (Split(entry.Name) is (Component component, string module, Role role)
                && modules(component).TryGetValue(module, out string? weight))
            {
                lora.Add(file, entry, (component, weight), role);
            }
            else
            {
                unmatched.Add(entry.Name);
            }
        }

        if (unmatched.Count > 0 || lora.factors.Count == 0)
        {
            throw new CheckpointException($"{path}: {unmatched.Count} of {file.Entries.Count} names match no weight of this model, "
                + $"the first is '{unmatched.FirstOrDefault()}'; is it a LoRA for another kind of model?");
        }

        foreach (((Component _, string weight), LoraFactors pair) in lora.factors)
        {
            if (pair.Down is null || pair.Up is null)
            {
                throw new CheckpointException($"{path}: of the two factors for '{weight}' one is missing");
            }
        }

        return lora;
    }

    public LoraFactors? Find(Component component, string name) => factors.GetValueOrDefault((component, name));

    /// <summary>Plain name of a module: dots as underscores, as one of the trainers writes it.</summary>
    public static string Plain(string module) => module.Replace('.', '_');

    void Add(SafetensorsFile file, SafetensorsEntry entry, (Component, string) key, Role role)
    {
        if (!factors.TryGetValue(key, out LoraFactors? pair))
        {
            factors.Add(key, pair = new LoraFactors());
        }

        float[] values = file.ReadFloats(entry);
        bool twice = role switch
        {
            Role.Down => pair.Down is not null,
            Role.Up => pair.Up is not null,
            _ => pair.Alpha is not null,
        };
        if (twice || values.Length == 0)
        {
            throw new CheckpointException($"{Path}: '{entry.Name}' is empty or says again what another name says");
        }

        switch (role)
        {
            case Role.Down:
                pair.Down = values;
                pair.Rank = checked((int)entry.Shape[0]);
                break;
            case Role.Up:
                pair.Up = values;
                break;
            default:
                pair.Alpha = values[0];
                break;
        }
    }

    static (Component Component, string Module, Role Role)? Split(string name)
    {
        foreach ((string suffix, Role role) in suffixes)
        {
            if (name.EndsWith(suffix, StringComparison.Ordinal))
            {
                (Component component, string module) = Module(name[..^suffix.Length]);
                return (component, module, role);
            }
        }

        return null;
    }

    static (Component Component, string Module) Module(string stem)
    {
        string module = Plain(stem.Replace("base_model.model.", "", StringComparison.Ordinal));
        module = module.Replace("_processor_", "_", StringComparison.Ordinal);
        Component component = Component.UNet;
        foreach ((string prefix, Component of) in prefixes)
        {
            if (module.StartsWith(prefix, StringComparison.Ordinal))
            {
                (component, module) = (of, module[prefix.Length..]);
                break;
            }
        }

        return (component, module.EndsWith("_to_out", StringComparison.Ordinal) ? module + "_0" : module);
    }
}

/// <summary>The factors of one weight's change.</summary>
sealed class LoraFactors
{
    public float[]? Down { get; set; }

    public float[]? Up { get; set; }

    public int Rank { get; set; }

    /// <summary>Absent: the rank, so that the scale is 1.</summary>
    public float? Alpha { get; set; }
}
