using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Structure of a U-Net in the terms of diffusers' config.json.</summary>
public sealed record UNetConfig
{
    const int LargestWidth = 1 << 16;

    /// <summary>Skip tensors that one run keeps at most; 12 in SD 1.4.</summary>
    public const int MostSkips = 64;

    /// <summary>Channels of the input.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of the prediction, those of a latent.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Latent size that the network was trained at.</summary>
    public required int SampleSize { get; init; }

    /// <summary>Width of each level, finest first.</summary>
    public required int[] Channels { get; init; }

    /// <summary>Residual blocks of each level on the way down; one more on the way up.</summary>
    public required int[] Layers { get; init; }

    /// <summary>Attention heads of each level.</summary>
    public required int[] Heads { get; init; }

    /// <summary>Transformer blocks per attention layer of each level.</summary>
    public required int[] Depth { get; init; }

    /// <summary>Whether a level has attention on the way down.</summary>
    public required bool[] DownAttention { get; init; }

    /// <summary>Whether a level has attention on the way up; finest level first, as all lists here.</summary>
    public required bool[] UpAttention { get; init; }

    /// <summary>Residual blocks in the middle: 2 with attention between them, 1 or 0 without.</summary>
    public required int MiddleBlocks { get; init; }

    /// <summary>Width of the text encoder's output.</summary>
    public required int ContextWidth { get; init; }

    /// <summary>Of the group norms.</summary>
    public required int Groups { get; init; }

    /// <summary>Of the group norms in residual blocks.</summary>
    public required float Eps { get; init; }

    /// <summary>The transformers' outer projections are stored as matrices instead of 1x1 filters.</summary>
    public required bool LinearProjection { get; init; }

    /// <summary>What the input channels hold.</summary>
    public required InputLayout InputLayout { get; init; }

    /// <summary>Resolutions.</summary>
    public int Levels => Channels.Length;

    /// <summary>Height and width of the latent must be multiples of this.</summary>
    public int SizeMultiple => 1 << (Levels - 1);

    /// <summary>Width of the time embedding.</summary>
    public int TimeWidth => 4 * Channels[0];

    /// <exception cref="CheckpointException">A setting is missing, wrong, or not supported.</exception>
    public static UNetConfig Read(ConfigReader json)
    {
        RefuseUnsupported(json);
        int[] channels = json.Ints("block_out_channels", 1, LargestWidth);
        int levels = channels.Length;
        if (levels is < 1 or > 8)
        {
            throw json.Wrong("block_out_channels", $"has {levels} levels; 1 to 8 are supported");
        }

        int inChannels = json.Int("in_channels", 1, 64, 4);
        int outChannels = json.Int("out_channels", 1, 64, 4);
        var config = new UNetConfig
        {
            InChannels = inChannels,
            OutChannels = outChannels,
            SampleSize = json.Int("sample_size", 1, 4096, 64),
            Channels = channels,
            Layers = json.Ints("layers_per_block", 1, 16, levels, 2),
            Heads = json.Ints(json.Has("num_attention_heads") ? "num_attention_heads" : "attention_head_dim", 1, 1024, levels, 8),
            Depth = json.Ints("transformer_layers_per_block", 1, 32, levels, 1),
            DownAttention = Attention(json, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", levels),
            UpAttention = [.. Attention(json, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D", levels).Reverse()],
            MiddleBlocks = ReadMiddle(json),
            ContextWidth = json.Int("cross_attention_dim", 1, LargestWidth, 1280),
            Groups = json.Int("norm_num_groups", 1, LargestWidth, 32),
            Eps = (float)json.Number("norm_eps", 0, 1, 1e-5),
            LinearProjection = json.Bool("use_linear_projection", false),
            InputLayout = ReadLayout(json, inChannels, outChannels),
        };
        config.Check(json);
        return config;
    }

    static bool[] Attention(ConfigReader json, string name, string with, string without, int levels)
    {
        string[] types = json.Texts(name) ?? throw json.Wrong(name, "is missing");
        if (types.Length != levels)
        {
            throw json.Wrong(name, $"has {types.Length} entries, {levels} are wanted");
        }

        foreach (string type in types)
        {
            if (type != with && type != without)
            {
                throw json.Wrong(name, $"holds '{type}', which is not supported; supported: {with}, {without}");
            }
        }

        return [.. types.Select(type => type == with)];
    }

    /// <summary>A middle that is null is none; one that is not mentioned is the usual one.</summary>
    static int ReadMiddle(ConfigReader json) => json.Text("mid_block_type") switch
    {
        null => json.Mentions("mid_block_type") ? 0 : 2,
        "UNetMidBlock2D" => 1,
        _ => 2,
    };

    static InputLayout ReadLayout(ConfigReader json, int inChannels, int outChannels)
    {
        if (inChannels == outChannels)
        {
            json.Only("input_layout", "noisy");
            return InputLayout.Noisy;
        }

        if (inChannels != 2 * outChannels + 1)
        {
            throw json.Wrong(
                "in_channels",
                $"is {inChannels}; {outChannels} (text to image) or {2 * outChannels + 1} (with mask and clean image) are supported");
        }

        return json.Text("input_layout")?.Replace(" ", "") switch
        {
            null or "noisy,mask,clean" => InputLayout.NoisyMaskClean,
            "mask,noisy,clean" => InputLayout.MaskNoisyClean,
            string other => throw json.Wrong("input_layout", $"is '{other}'; supported: mask,noisy,clean and noisy,mask,clean"),
        };
    }

    static void RefuseUnsupported(ConfigReader json)
    {
        json.Only("act_fn", "silu", "swish");
        json.Only("mid_block_type", "UNetMidBlock2DCrossAttn", "UNetMidBlock2D");
        json.Only("time_embedding_type", "positional");
        json.Only("resnet_time_scale_shift", "default");
        json.Only("attention_type", "default");
        json.Only("flip_sin_to_cos", "true");
        json.Only("freq_shift", "0");
        foreach (string name in (ReadOnlySpan<string>)["downsample_padding", "mid_block_scale_factor", "resnet_out_scale_factor"])
        {
            json.Only(name, "1");
        }

        json.Only("conv_in_kernel", "3");
        json.Only("conv_out_kernel", "3");
        foreach (string name in (ReadOnlySpan<string>)["center_input_sample", "dual_cross_attention", "only_cross_attention",
            "resnet_skip_time_act", "class_embeddings_concat", "mid_block_only_cross_attention"])
        {
            json.Only(name, "false");
        }

        foreach (string name in (ReadOnlySpan<string>)["class_embed_type", "num_class_embeds", "addition_embed_type", "encoder_hid_dim",
            "encoder_hid_dim_type", "time_cond_proj_dim", "time_embedding_dim", "time_embedding_act_fn", "timestep_post_act",
            "cross_attention_norm", "reverse_transformer_layers_per_block"])
        {
            json.Only(name, "null");
        }
    }

    void Check(ConfigReader json)
    {
        int skips = Layers.Sum() + Levels;
        if (skips > MostSkips)
        {
            throw json.Wrong("layers_per_block", $"gives {skips} skip connections; {MostSkips} are supported");
        }

        for (int level = 0; level < Levels; level++)
        {
            if (Channels[level] % Groups != 0)
            {
                throw json.Wrong("norm_num_groups", $"is {Groups}, which does not divide the {Channels[level]} channels of level {level}");
            }

            if (Channels[level] % Heads[level] != 0)
            {
                throw json.Wrong(
                    "attention_head_dim",
                    $"asks for {Heads[level]} heads, which do not divide the {Channels[level]} channels of level {level}");
            }
        }

        if (Channels[0] % 2 != 0)
        {
            throw json.Wrong("block_out_channels", $"starts with {Channels[0]}; the timestep embedding wants an even number");
        }

        if (!DownAttention.Contains(true) && !UpAttention.Contains(true) && MiddleBlocks != 2)
        {
            throw json.Wrong("down_block_types", "gives a network without attention, which cannot follow a text");
        }
    }
}
