using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Structure of a transformer encoder of the CLIP or ViT family in the terms of transformers' config.json.</summary>
public record EncoderConfig
{
    /// <summary>Channels of a state.</summary>
    public required int Width { get; init; }

    /// <summary>Transformer blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Heads of each attention.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of the feed-forward network.</summary>
    public required int Inner { get; init; }

    /// <summary>Of the norms.</summary>
    public required float Eps { get; init; }

    /// <summary>Of the feed-forward layers.</summary>
    public required Activation Activation { get; init; }

    private protected static void CheckHeads(ConfigReader json, int width, int heads)
    {
        if (width % heads != 0)
        {
            throw json.Wrong("num_attention_heads", $"is {heads}, which does not divide the width {width}");
        }
    }

    private protected static Activation ReadActivation(ConfigReader json, string otherwise) => (json.Text("hidden_act") ?? otherwise) switch
    {
        "quick_gelu" => Activation.QuickGelu,
        "gelu" => Activation.Gelu,
        string other => throw json.Wrong("hidden_act", $"is '{other}'; supported: quick_gelu, gelu"),
    };
}

/// <summary>CLIP's text encoder.</summary>
public sealed record ClipTextConfig : EncoderConfig
{
    /// <summary>Tokens that it knows.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Tokens of a text, padding included: 77.</summary>
    public required int Positions { get; init; }

    /// <exception cref="CheckpointException">A setting is missing, wrong, or not supported.</exception>
    public static ClipTextConfig Read(ConfigReader file)
    {
        ConfigReader json = file.Object("text_config") ?? file;
        int width = json.Int("hidden_size", 1, 1 << 14, 512);
        int heads = json.Int("num_attention_heads", 1, 1024, 8);
        CheckHeads(json, width, heads);
        return new ClipTextConfig
        {
            Width = width,
            Heads = heads,
            Layers = json.Int("num_hidden_layers", 1, 256, 12),
            Inner = json.Int("intermediate_size", 1, 1 << 16, 2048),
            Eps = (float)json.Number("layer_norm_eps", 0, 1, 1e-5),
            Activation = ReadActivation(json, "quick_gelu"),
            Vocabulary = json.Int("vocab_size", 1, 1 << 22, 49408),
            Positions = json.Int("max_position_embeddings", 1, 1 << 14, 77),
        };
    }
}

/// <summary>An image encoder that cuts the picture into patches: CLIP's with a projection, or DINO.</summary>
public sealed record VisionConfig : EncoderConfig
{
    /// <summary>Pixels of a side.</summary>
    public required int ImageSize { get; init; }

    /// <summary>Pixels of a side of a patch.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Width of CLIP's shared space.</summary>
    public required int Projection { get; init; }

    /// <summary>Patches of an image.</summary>
    public int Patches => ImageSize / PatchSize * (ImageSize / PatchSize);

    /// <summary>From the config of a CLIP vision model.</summary>
    public static VisionConfig ReadClip(ConfigReader file)
    {
        ConfigReader json = file.Object("vision_config") ?? file;
        return Read(json, "quick_gelu", 1e-5, json.Int("projection_dim", 1, 1 << 14, 512));
    }

    /// <summary>From the config of a DINO model.</summary>
    public static VisionConfig ReadDino(ConfigReader json)
    {
        json.Only("qkv_bias", "true");
        return Read(json, "gelu", 1e-12, projection: 0);
    }

    static VisionConfig Read(ConfigReader json, string activation, double eps, int projection)
    {
        int width = json.Int("hidden_size", 1, 1 << 14, 768);
        int heads = json.Int("num_attention_heads", 1, 1024, 12);
        CheckHeads(json, width, heads);
        int size = json.Int("image_size", 1, 4096, 224);
        return new VisionConfig
        {
            Width = width,
            Heads = heads,
            Layers = json.Int("num_hidden_layers", 1, 256, 12),
            Inner = json.Int("intermediate_size", 1, 1 << 16, 3072),
            Eps = (float)json.Number("layer_norm_eps", 0, 1, eps),
            Activation = ReadActivation(json, activation),
            ImageSize = size,
            PatchSize = json.Int("patch_size", 1, size, 16),
            Projection = projection,
        };
    }
}
