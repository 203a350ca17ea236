using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>CLIP's image encoder with its projection into the space that it shares with texts.</summary>
public sealed class ClipVision
{
    readonly Parameter classToken;
    readonly Conv patches;
    readonly Parameter positions;
    readonly LayerNorm normIn;
    readonly EncoderLayer[] layers;
    readonly LayerNorm normOut;
    readonly Linear projection;

    /// <summary>Asks for its weights.</summary>
    public ClipVision(Weights weights, VisionConfig config)
    {
        Config = config;
        Weights w = weights.At("vision_model");
        ConvGeometry cut = new(config.PatchSize, Padding.None);
        classToken = w.Plain("embeddings.class_embedding", [config.Width]);
        patches = new Conv(w.At("embeddings").At("patch_embedding"), 3, config.Width, config.PatchSize, cut, bias: false);
        positions = w.Plain("embeddings.position_embedding.weight", [1 + config.Patches, config.Width]);
        normIn = new LayerNorm(w.At("pre_layrnorm"), config.Width, config.Eps);
        Weights encoder = w.At("encoder").At("layers");
        layers = [.. Enumerable.Range(0, config.Layers).Select(i => EncoderLayer.Clip(encoder.At(i), config, causal: false))];
        normOut = new LayerNorm(w.At("post_layernorm"), config.Width, config.Eps);
        projection = new Linear(weights.At("visual_projection"), config.Width, config.Projection, bias: false, final: true);
    }

    /// <summary>Its structure.</summary>
    public VisionConfig Config { get; }

    /// <summary>Normalised pixels F32 [N, S, S, 3] -> embeddings F32 [N, projection], not yet of unit length.</summary>
    public Tensor Encode(Ops ops, Tensor pixels)
    {
        Tensor y = ops.Room([pixels.Shape[0], Config.Projection], final: true);
        using ArenaScope scope = ops.Scope();
        Tensor x = normIn.Run(ops, VisionStem.Tokens(ops, Config, patches, pixels, classToken, positions));
        foreach (EncoderLayer layer in layers)
        {
            x = layer.Run(ops, x);
        }

        return projection.Run(ops, normOut.Run(ops, VisionStem.ClassToken(ops, x)), into: y);
    }
}
