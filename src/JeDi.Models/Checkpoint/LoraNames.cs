namespace JeDi.Models;

/// <summary>What a tensor is in the change of a module.</summary>
enum LoraPart
{
    Down,
    Up,
    Mid,
    UpBias,
    Alpha,

    /// <summary>Of each output (PEFT).</summary>
    Magnitude,

    /// <summary>Of each output or each input, as its shape says (LyCORIS).</summary>
    DoraScale,

    HadaW1A,
    HadaW1B,
    HadaW2A,
    HadaW2B,
    HadaT1,
    HadaT2,
    LokrW1,
    LokrW1A,
    LokrW1B,
    LokrW2,
    LokrW2A,
    LokrW2B,
    LokrT2,
    Diff,
    DiffBias,
}

/// <summary>
/// The names that trainers give: <c>lora_unet_….lora_down</c> with dots as underscores, diffusers' <c>unet.….lora_A</c>, <c>….lora.down</c>
/// and <c>….processor.…_lora.down</c>, PEFT's with the adapter's name, ComfyUI's <c>diffusion_model.…</c>, with the modules of the folder
/// form or of the single file.
/// </summary>
static class LoraNames
{
    /// <summary>Ends of names; where PEFT may put the adapter's name it stands before <c>.weight</c>, or last.</summary>
    static readonly (string Marker, string[] Ends, LoraPart Part)[] parts =
    [
        (".lora_A", [".weight"], LoraPart.Down),
        (".lora_B", [".weight"], LoraPart.Up),
        (".lora_B", [".bias"], LoraPart.UpBias),
        (".lora_down", [".weight"], LoraPart.Down),
        (".lora_up", [".weight"], LoraPart.Up),
        (".lora_mid", [".weight"], LoraPart.Mid),
        (".lora.down", [".weight"], LoraPart.Down),
        (".lora.up", [".weight"], LoraPart.Up),
        ("_lora.down", [".weight"], LoraPart.Down),
        ("_lora.up", [".weight"], LoraPart.Up),
        (".lora_linear_layer.down", [".weight"], LoraPart.Down),
        (".lora_linear_layer.up", [".weight"], LoraPart.Up),
        (".lora_magnitude_vector", ["", ".weight"], LoraPart.Magnitude),
        (".dora_scale", [""], LoraPart.DoraScale),
        (".alpha", [""], LoraPart.Alpha),
        (".hada_w1_a", [""], LoraPart.HadaW1A),
        (".hada_w1_b", [""], LoraPart.HadaW1B),
        (".hada_w2_a", [""], LoraPart.HadaW2A),
        (".hada_w2_b", [""], LoraPart.HadaW2B),
        (".hada_t1", [""], LoraPart.HadaT1),
        (".hada_t2", [""], LoraPart.HadaT2),
        (".lokr_w1", [""], LoraPart.LokrW1),
        (".lokr_w1_a", [""], LoraPart.LokrW1A),
        (".lokr_w1_b", [""], LoraPart.LokrW1B),
        (".lokr_w2", [""], LoraPart.LokrW2),
        (".lokr_w2_a", [""], LoraPart.LokrW2A),
        (".lokr_w2_b", [""], LoraPart.LokrW2B),
        (".lokr_t2", [""], LoraPart.LokrT2),
        (".diff", ["", ".weight"], LoraPart.Diff),
        (".diff_b", ["", ".weight"], LoraPart.DiffBias),
        (".w_norm", ["", ".weight"], LoraPart.Diff),
        (".b_norm", ["", ".weight"], LoraPart.DiffBias),
    ];

    static readonly (string Marker, string Kind)[] others =
    [
        (".oft_", "OFT"),
        (".boft_", "BOFT"),
        (".ia3_l", "(IA)3"),
        (".on_input", "(IA)3"),
        (".vera_lambda", "VeRA"),
        (".a1.weight", "GLoRA"),
        (".b1.weight", "GLoRA"),
        (".bias_indices", "a sparse bias"),
        (".lora_embedding_", "LoRA of an embedding"),
        (".trainable_tokens", "trained tokens"),
    ];

    static readonly (string Prefix, Component? Component)[] prefixes =
    [
        ("lora_unet_", Component.UNet),
        ("unet_", Component.UNet),
        ("model_diffusion_model_", Component.UNet),
        ("diffusion_model_", Component.UNet),
        ("lora_te1_", Component.TextEncoder),
        ("lora_te_", Component.TextEncoder),
        ("text_encoders_clip_l_transformer_", Component.TextEncoder),
        ("clip_l_transformer_", Component.TextEncoder),
        ("cond_stage_model_transformer_", Component.TextEncoder),
        ("text_encoder_", Component.TextEncoder),
        ("text_model_", null),
        ("lycoris_", null),
    ];

    /// <summary>diffusers' old names of the text encoder's projections, the U-Net's names for them.</summary>
    static readonly (string Old, string New)[] textProjections =
    [
        ("_self_attn_to_q", "_self_attn_q_proj"),
        ("_self_attn_to_k", "_self_attn_k_proj"),
        ("_self_attn_to_v", "_self_attn_v_proj"),
        ("_self_attn_to_out", "_self_attn_out_proj"),
    ];

    /// <summary>Plain name of a module: dots as underscores, as one of the trainers writes it.</summary>
    public static string Plain(string module) => module.Replace('.', '_');

    /// <summary>Whether a name has the words of the single-file form.</summary>
    public static bool IsSingleFileStyle(string name) => name.Contains("input_blocks", StringComparison.Ordinal)
        || name.Contains("middle_block", StringComparison.Ordinal) || name.Contains("output_blocks", StringComparison.Ordinal);

    /// <summary>Whether a name has the words of the folder form.</summary>
    public static bool IsFolderStyle(string name) => name.Contains("down_blocks", StringComparison.Ordinal)
        || name.Contains("mid_block", StringComparison.Ordinal) || name.Contains("up_blocks", StringComparison.Ordinal);

    /// <summary>The kind of change that such a name belongs to and that is no sum of matrices; null for all others.</summary>
    public static string? OtherKind(string name) =>
        others.FirstOrDefault(other => name.Contains(other.Marker, StringComparison.Ordinal)).Kind;

    /// <summary>Whether it is the name of a part of a change.</summary>
    public static bool IsPart(string name) => Cut(name) is not null;

    /// <summary>The module, as it is spelt, and the part; null for other names.</summary>
    public static (string Module, LoraPart Part)? Cut(string name)
    {
        foreach ((string marker, string[] ends, LoraPart part) in parts)
        {
            int at = name.LastIndexOf(marker, StringComparison.Ordinal);
            if (at > 0 && ends.Any(end => Ends(name.AsSpan(at + marker.Length), end)))
            {
                return (name[..at], part);
            }
        }

        return null;
    }

    /// <summary>The places where a module, as it is spelt, may stand: plain names of modules by component.</summary>
    public static IEnumerable<(Component Component, string Module)> Places(string module)
    {
        string plain = Plain(module.Replace("base_model.model.", "", StringComparison.Ordinal)).Replace("_processor_", "_");
        (string prefix, Component? component) = prefixes.FirstOrDefault(entry => plain.StartsWith(entry.Prefix, StringComparison.Ordinal));
        string rest = prefix is null or "text_model_" ? plain : plain[prefix.Length..];
        foreach (Component place in component is Component known ? [known] : new[] { Component.UNet, Component.TextEncoder })
        {
            yield return (place, place == Component.UNet ? OfUNet(rest) : OfText(rest));
        }
    }

    /// <summary>The rest of a name behind its marker is the end, or the name of an adapter and the end.</summary>
    static bool Ends(ReadOnlySpan<char> rest, string end) => rest.SequenceEqual(end)
        || (rest.Length > end.Length + 1 && rest[0] == '.' && rest.EndsWith(end)
            && !rest[1..^end.Length].Contains('.') && (end.Length > 0 || rest.IndexOfAny("0123456789") != 1));

    static string OfUNet(string module) => module.EndsWith("_to_out", StringComparison.Ordinal) ? module + "_0" : module;

    static string OfText(string module)
    {
        foreach ((string old, string now) in textProjections)
        {
            module = module.EndsWith(old, StringComparison.Ordinal) ? module[..^old.Length] + now : module;
        }

        const string Outer = "text_model_";
        return module.StartsWith(Outer, StringComparison.Ordinal) ? module : Outer + module;
    }
}
