namespace JeDi.Models;

/// <summary>The networks of a checkpoint.</summary>
public enum Component
{
    /// <summary>The denoising network.</summary>
    UNet,
    /// <summary>The autoencoder.</summary>
    Vae,
    /// <summary>The text encoder.</summary>
    TextEncoder,
}

/// <summary>
/// The rule that turns a name of the folder form into the name of the single-file form, for any number of levels and layers.
/// Single files count the blocks of the U-Net in one row: input_blocks 0 is conv_in, then come, level by level, its residual blocks
/// and the down-sampling; output_blocks are the residual blocks of all levels, the up-sampling sits in the last one of its level.
/// </summary>
public static class KeyMap
{
    static readonly (string Folder, string File)[] residual =
    [
        ("norm1", "in_layers.0"),
        ("conv1", "in_layers.2"),
        ("time_emb_proj", "emb_layers.1"),
        ("norm2", "out_layers.0"),
        ("conv2", "out_layers.3"),
        ("conv_shortcut", "skip_connection"),
    ];

    static readonly (string Folder, string File)[] unetEnds =
    [
        ("conv_in.", "input_blocks.0.0."),
        ("time_embedding.linear_1.", "time_embed.0."),
        ("time_embedding.linear_2.", "time_embed.2."),
        ("conv_norm_out.", "out.0."),
        ("conv_out.", "out.2."),
    ];

    static readonly (string Folder, string File)[] vaeAttention =
    [
        ("group_norm", "norm"),
        ("to_q", "q"),
        ("to_k", "k"),
        ("to_v", "v"),
        ("to_out.0", "proj_out"),
    ];

    /// <summary>Beginning of a component's names in a single file.</summary>
    public static string Prefix(Component component) => component switch
    {
        Component.UNet => "model.diffusion_model.",
        Component.Vae => "first_stage_model.",
        _ => "cond_stage_model.transformer.",
    };

    /// <summary>Name in a single file of the tensor that the folder form calls <paramref name="name"/>.</summary>
    public static string ToFile(Component component, string name, UNetConfig unet, VaeConfig vae) => Prefix(component) + component switch
    {
        Component.UNet => UNetName(name, unet),
        Component.Vae => VaeName(name, vae),
        _ => name,
    };

    /// <summary>Whether the single-file form stores this matrix as a 1x1 filter: the attention of the VAE.</summary>
    public static bool StoredAsFilter(Component component, string name) =>
        component == Component.Vae && name.Contains(".attentions.", StringComparison.Ordinal)
        && name.EndsWith(".weight", StringComparison.Ordinal) && !name.Contains(".group_norm.", StringComparison.Ordinal);

    static string UNetName(string name, UNetConfig config)
    {
        foreach ((string folder, string file) in unetEnds)
        {
            if (name.StartsWith(folder, StringComparison.Ordinal))
            {
                return file + name[folder.Length..];
            }
        }

        string[] parts = name.Split('.');
        if (parts[0] == "mid_block")
        {
            bool attention = parts[1] == "attentions";
            int place = attention ? 1 : 2 * int.Parse(parts[2]);
            return $"middle_block.{place}.{Inner(parts[1], Rest(parts, 3))}";
        }

        int block = int.Parse(parts[1]);
        int layer = int.Parse(parts[3]);
        if (parts[0] == "down_blocks")
        {
            int first = 1 + Blocks(config.Layers.AsSpan(0, block));
            return parts[2] == "downsamplers"
                ? $"input_blocks.{first + config.Layers[block]}.0.op.{Rest(parts, 5)}"
                : $"input_blocks.{first + layer}.{(parts[2] == "attentions" ? 1 : 0)}.{Inner(parts[2], Rest(parts, 4))}";
        }

        int level = config.Levels - 1 - block;
        int start = Blocks(config.Layers.AsSpan(level + 1));
        return parts[2] == "upsamplers"
            ? $"output_blocks.{start + config.Layers[level]}.{(config.UpAttention[level] ? 2 : 1)}.conv.{Rest(parts, 5)}"
            : $"output_blocks.{start + layer}.{(parts[2] == "attentions" ? 1 : 0)}.{Inner(parts[2], Rest(parts, 4))}";
    }

    /// <summary>Blocks of these levels: the residual ones, and one that changes the size.</summary>
    static int Blocks(ReadOnlySpan<int> layers)
    {
        int blocks = layers.Length;
        foreach (int residual in layers)
        {
            blocks += residual;
        }

        return blocks;
    }

    static string Inner(string kind, string rest) => kind == "resnets" ? Replace(rest, residual) : rest;

    static string VaeName(string name, VaeConfig config)
    {
        string[] parts = name.Split('.');
        if (parts[0] is not ("encoder" or "decoder"))
        {
            return name;
        }

        string half = parts[0];
        switch (parts[1])
        {
            case "conv_norm_out":
                return $"{half}.norm_out.{Rest(parts, 2)}";
            case "mid_block":
                return parts[2] == "attentions"
                    ? $"{half}.mid.attn_1.{Replace(Rest(parts, 4), vaeAttention)}"
                    : $"{half}.mid.block_{int.Parse(parts[3]) + 1}.{Rest(parts, 4)}";
            case "down_blocks" or "up_blocks":
                bool down = parts[1] == "down_blocks";
                int level = down ? int.Parse(parts[2]) : config.Channels.Length - 1 - int.Parse(parts[2]);
                string block = $"{half}.{(down ? "down" : "up")}.{level}";
                return parts[3] switch
                {
                    "downsamplers" => $"{block}.downsample.conv.{Rest(parts, 6)}",
                    "upsamplers" => $"{block}.upsample.conv.{Rest(parts, 6)}",
                    _ => $"{block}.block.{parts[4]}.{Replace(Rest(parts, 5), [("conv_shortcut", "nin_shortcut")])}",
                };
            default:
                return name;
        }
    }

    static string Rest(string[] parts, int first) => string.Join('.', parts[first..]);

    static string Replace(string name, ReadOnlySpan<(string Folder, string File)> table)
    {
        foreach ((string folder, string file) in table)
        {
            if (name.StartsWith(folder + ".", StringComparison.Ordinal))
            {
                return file + name[folder.Length..];
            }
        }

        return name;
    }
}
