using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>DINO's vision transformer: pictures to the class token that tells subjects apart.</summary>
public sealed class Dino
{
    readonly Parameter classToken;
    readonly Parameter positions;
    readonly Conv patches;
    readonly EncoderLayer[] layers;
    readonly LayerNorm normOut;

    /// <summary>Asks for its weights.</summary>
    public Dino(Weights w, VisionConfig config)
    {
        Config = config;
        Weights embeddings = w.At("embeddings");
        ConvGeometry cut = new(config.PatchSize, Padding.None);
        classToken = embeddings.Plain("cls_token", [1, 1, config.Width]);
        positions = embeddings.Plain("position_embeddings", [1, 1 + config.Patches, config.Width]);
        patches = new Conv(embeddings.At("patch_embeddings").At("projection"), 3, config.Width, config.PatchSize, cut);
        layers = [.. Enumerable.Range(0, config.Layers).Select(i => EncoderLayer.Vit(w.At("encoder").At("layer").At(i), config))];
        normOut = new LayerNorm(w.At("layernorm"), config.Width, config.Eps, final: true);
    }

    /// <summary>Its structure.</summary>
    public VisionConfig Config { get; }

    /// <summary>Normalised pixels F32 [N, S, S, 3] -> class tokens F32 [N, C] after the final norm.</summary>
    public Tensor Encode(Ops ops, Tensor pixels)
    {
        Tensor y = ops.Room([pixels.Shape[0], Config.Width], final: true);
        using ArenaScope scope = ops.Scope();
        Tensor x = VisionStem.Tokens(ops, Config, patches, pixels, classToken, positions);
        foreach (EncoderLayer layer in layers)
        {
            x = layer.Run(ops, x);
        }

        return normOut.Run(ops, VisionStem.ClassToken(ops, x), into: y);
    }
}
