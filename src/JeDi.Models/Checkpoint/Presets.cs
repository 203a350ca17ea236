using System.Text.Json.Nodes;

namespace JeDi.Models;

/// <summary>Structures known by name, as the config files that a folder would hold. The names are those of the golden data.</summary>
public static class Presets
{
    static readonly Dictionary<string, Preset> all = new()
    {
        ["tiny"] = new([16, 32, 64, 64], 2, 2, 24, 8, 16, [8, 16, 16, 16], 4, Text(512, 24, 96, 3, 3)),
        ["small"] = new([64, 96, 128, 128], 1, 4, 128, 16, 16, [16, 32, 64, 64], 8, Text(2048, 128, 512, 3, 4)),
        ["sd14"] = new([320, 640, 1280, 1280], 2, 8, 768, 32, 64, [128, 256, 512, 512], 32, Text(49408, 768, 3072, 12, 12)),
    };

    /// <summary>Names that <see cref="Files"/> knows.</summary>
    public static IEnumerable<string> Names => all.Keys;

    /// <summary>
    /// The configs of a preset by their path in a folder. 4 input channels: plain Stable Diffusion; 9: JeDi, with mask and clean image.
    /// </summary>
    /// <exception cref="CheckpointException">Unknown name, or other channels than 4 and 9.</exception>
    public static IReadOnlyDictionary<string, JsonObject> Files(string name, int channels)
    {
        if (!all.TryGetValue(name, out Preset? preset))
        {
            throw new CheckpointException($"no recipe is called '{name}'; there are {string.Join(", ", Names)}");
        }

        if (channels is not (4 or 9))
        {
            throw new CheckpointException($"a network with {channels} input channels is not known; use 4 (Stable Diffusion) or 9 (JeDi)");
        }

        return new Dictionary<string, JsonObject>
        {
            ["unet/config.json"] = UNet(preset, channels),
            ["vae/config.json"] = Vae(preset),
            ["text_encoder/config.json"] = (JsonObject)preset.Text.DeepClone(),
            ["scheduler/scheduler_config.json"] = new()
            {
                ["_class_name"] = "DDIMScheduler",
                ["beta_start"] = 0.00085,
                ["beta_end"] = 0.012,
                ["beta_schedule"] = "scaled_linear",
                ["num_train_timesteps"] = 1000,
                ["prediction_type"] = "epsilon",
            },
            ["model_index.json"] = new()
            {
                ["_class_name"] = channels == 9 ? "JeDiPipeline" : "StableDiffusionPipeline",
                ["unet"] = new JsonArray("diffusers", "UNet2DConditionModel"),
                ["vae"] = new JsonArray("diffusers", "AutoencoderKL"),
                ["text_encoder"] = new JsonArray("transformers", "CLIPTextModel"),
                ["tokenizer"] = new JsonArray("transformers", "CLIPTokenizer"),
                ["scheduler"] = new JsonArray("diffusers", "DDIMScheduler"),
            },
        };
    }

    /// <summary>Prefix of a component's recipe names, as in the golden data.</summary>
    public static string WeightPrefix(string name, Component component, int channels) => component switch
    {
        Component.UNet => $"unet-{name}-{channels}/",
        Component.Vae => $"vae-{name}/",
        _ => $"text-{name}/",
    };

    static JsonObject UNet(Preset preset, int channels)
    {
        var config = new JsonObject
        {
            ["_class_name"] = "UNet2DConditionModel",
            ["sample_size"] = preset.SampleSize,
            ["in_channels"] = channels,
            ["out_channels"] = 4,
            ["block_out_channels"] = List(preset.Channels),
            ["layers_per_block"] = preset.Layers,
            ["attention_head_dim"] = preset.Heads,
            ["cross_attention_dim"] = preset.Context,
            ["norm_num_groups"] = preset.Groups,
            ["norm_eps"] = 1e-5,
            ["act_fn"] = "silu",
            ["down_block_types"] = new JsonArray("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            ["mid_block_type"] = "UNetMidBlock2DCrossAttn",
            ["up_block_types"] = new JsonArray("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            ["flip_sin_to_cos"] = true,
            ["freq_shift"] = 0,
            ["use_linear_projection"] = false,
        };
        if (channels == 9)
        {
            config["input_layout"] = "mask,noisy,clean";
        }

        return config;
    }

    static JsonObject Vae(Preset preset) => new()
    {
        ["_class_name"] = "AutoencoderKL",
        ["in_channels"] = 3,
        ["out_channels"] = 3,
        ["latent_channels"] = 4,
        ["block_out_channels"] = List(preset.VaeChannels),
        ["layers_per_block"] = preset.Layers,
        ["norm_num_groups"] = preset.VaeGroups,
        ["act_fn"] = "silu",
        ["down_block_types"] = new JsonArray([.. preset.VaeChannels.Select(_ => JsonValue.Create("DownEncoderBlock2D"))]),
        ["up_block_types"] = new JsonArray([.. preset.VaeChannels.Select(_ => JsonValue.Create("UpDecoderBlock2D"))]),
        ["sample_size"] = 8 * preset.SampleSize,
        ["scaling_factor"] = 0.18215,
    };

    static JsonObject Text(int vocabulary, int width, int inner, int layers, int heads) => new()
    {
        ["architectures"] = new JsonArray("CLIPTextModel"),
        ["model_type"] = "clip_text_model",
        ["vocab_size"] = vocabulary,
        ["hidden_size"] = width,
        ["intermediate_size"] = inner,
        ["num_hidden_layers"] = layers,
        ["num_attention_heads"] = heads,
        ["max_position_embeddings"] = 77,
        ["hidden_act"] = "quick_gelu",
        ["layer_norm_eps"] = 1e-5,
        ["bos_token_id"] = vocabulary - 2,
        ["eos_token_id"] = vocabulary - 1,
        ["pad_token_id"] = vocabulary - 1,
    };

    static JsonArray List(int[] values) => new([.. values.Select(value => JsonValue.Create(value))]);

    sealed record Preset(
        int[] Channels, int Layers, int Heads, int Context, int Groups, int SampleSize, int[] VaeChannels, int VaeGroups, JsonObject Text);
}
