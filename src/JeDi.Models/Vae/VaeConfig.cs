namespace JeDi.Models;

/// <summary>Structure of the autoencoder in the terms of diffusers' config.json.</summary>
public sealed record VaeConfig
{
    /// <summary>Width of each level, finest first.</summary>
    public required int[] Channels { get; init; }

    /// <summary>Residual blocks of each encoder level; the decoder has one more.</summary>
    public required int Layers { get; init; }

    /// <summary>Channels of a latent.</summary>
    public required int LatentChannels { get; init; }

    /// <summary>Of the group norms.</summary>
    public required int Groups { get; init; }

    /// <summary>Pixels that the model was trained at; an eighth of it is the tile of a tiled run.</summary>
    public required int SampleSize { get; init; }

    /// <summary>Latents of the U-Net are the encoder's means times this.</summary>
    public required float ScalingFactor { get; init; }

    /// <summary>Whether the middle block attends.</summary>
    public required bool MiddleAttention { get; init; }

    /// <summary>Whether a 1x1 convolution follows the encoder.</summary>
    public required bool QuantConv { get; init; }

    /// <summary>Whether a 1x1 convolution stands before the decoder.</summary>
    public required bool PostQuantConv { get; init; }

    /// <summary>Structure of the tiny autoencoder; null: Stable Diffusion's.</summary>
    public TinyVaeConfig? Tiny { get; init; }

    /// <summary>Pixels per latent location, in height and in width: 8 for SD 1.4.</summary>
    public int Scale => 1 << (Channels.Length - 1);

    /// <exception cref="CheckpointException">A setting is missing, wrong, or not supported.</exception>
    public static VaeConfig Read(ConfigReader json)
    {
        if (json.Text("_class_name") == "AutoencoderTiny")
        {
            return TinyVaeConfig.Read(json);
        }

        int[] channels = json.Ints("block_out_channels", 1, 1 << 14);
        if (channels.Length is < 1 or > 8)
        {
            throw json.Wrong("block_out_channels", $"has {channels.Length} levels; 1 to 8 are supported");
        }

        foreach ((string name, string type) in new[] { ("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D") })
        {
            string[]? types = json.Texts(name);
            if (types is not null && (types.Length != channels.Length || types.Any(t => t != type)))
            {
                throw json.Wrong(name, $"is not {channels.Length} times {type}, which is what is supported");
            }
        }

        json.Only("act_fn", "silu", "swish");
        json.Only("in_channels", "3");
        json.Only("out_channels", "3");
        json.Only("latents_mean", "null");
        json.Only("latents_std", "null");
        json.Only("shift_factor", "0");
        int groups = json.Int("norm_num_groups", 1, 1 << 14, 32);
        if (channels.FirstOrDefault(c => c % groups != 0) is int odd and > 0)
        {
            throw json.Wrong("norm_num_groups", $"is {groups}, which does not divide {odd} channels");
        }

        return new VaeConfig
        {
            Channels = channels,
            Layers = json.Int("layers_per_block", 1, 16, 1),
            LatentChannels = json.Int("latent_channels", 1, 64, 4),
            Groups = groups,
            SampleSize = json.Int("sample_size", 8, 1 << 15, 512),
            ScalingFactor = (float)json.Number("scaling_factor", 1e-6, 1e6, 0.18215),
            MiddleAttention = json.Bool("mid_block_add_attention", true),
            QuantConv = json.Bool("use_quant_conv", true),
            PostQuantConv = json.Bool("use_post_quant_conv", true),
        };
    }
}
