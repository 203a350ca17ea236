using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>CLIP's text encoder: token ids to one vector per token.</summary>
public sealed class ClipText
{
    readonly Parameter tokens;
    readonly Parameter positions;
    readonly EncoderLayer[] layers;
    readonly LayerNorm normOut;

    /// <summary>Asks for its weights.</summary>
    public ClipText(Weights weights, ClipTextConfig config)
    {
        Config = config;
        Weights w = weights.At("text_model");
        tokens = w.Table("embeddings.token_embedding.weight", config.Vocabulary, config.Width);
        positions = w.Plain("embeddings.position_embedding.weight", [config.Positions, config.Width]);
        Weights encoder = w.At("encoder").At("layers");
        layers = [.. Enumerable.Range(0, config.Layers).Select(i => EncoderLayer.Clip(encoder.At(i), config, causal: true))];
        normOut = new LayerNorm(w.At("final_layer_norm"), config.Width, config.Eps, final: true);
    }

    /// <summary>Its structure.</summary>
    public ClipTextConfig Config { get; }

    /// <summary>Last hidden state F32 [N, 77, C], after the final norm, of ids I32 [N, 77]: what SD 1.x follows.</summary>
    /// <param name="ops">Where.</param>
    /// <param name="ids">Tokens.</param>
    /// <param name="into">Room for the result, if there is.</param>
    /// <param name="skip">Which layer's state from the end: 1 the last one's, 2 that of the one before.</param>
    public Tensor Encode(Ops ops, Tensor ids, Tensor into = default, int skip = 1)
    {
        Tensor y = into.Exists ? into : ops.Room([ids.Shape[0], ids.Shape[1], Config.Width], final: true);
        using ArenaScope scope = ops.Scope();
        ArgumentOutOfRangeException.ThrowIfLessThan(skip, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(skip, layers.Length);
        Tensor x = Hidden(ops, ids, layers.Length + 1 - skip);
        return normOut.Run(ops, x, into: y);
    }

    /// <summary>The state before the last layer F32 [N, 77, C], without a norm.</summary>
    public Tensor Penultimate(Ops ops, Tensor ids) => ops.Leave(Hidden(ops, ids, layers.Length - 1));

    Tensor Hidden(Ops ops, Tensor ids, int depth)
    {
        if (ids.Shape.Rank != 2 || ids.Shape[1] != Config.Positions)
        {
            throw new ArgumentException($"the text encoder takes ids [N, {Config.Positions}], got {ids}");
        }

        Tensor x = ops.Embed(tokens, ids).Reshape([ids.Shape[0], ids.Shape[1], Config.Width]); // [N, 77, C]
        x = ops.Add(x, positions, into: x);
        for (int i = 0; i < depth; i++)
        {
            x = layers[i].Run(ops, x);
        }

        return x;
    }
}
