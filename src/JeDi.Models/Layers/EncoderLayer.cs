using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Layer of a transformer encoder, norms first: x + attention(norm(x)), then x + mlp(norm(x)).</summary>
sealed class EncoderLayer
{
    readonly LayerNorm norm1;
    readonly Attention attention;
    readonly LayerNorm norm2;
    readonly Linear wide;
    readonly Linear narrow;
    readonly bool causal;

    EncoderLayer(EncoderConfig config, LayerNorm norm1, Attention attention, LayerNorm norm2, Weights wide, Weights narrow, bool causal)
    {
        this.norm1 = norm1;
        this.attention = attention;
        this.norm2 = norm2;
        this.wide = new Linear(wide, config.Width, config.Inner, activation: config.Activation);
        this.narrow = new Linear(narrow, config.Inner, config.Width);
        this.causal = causal;
    }

    /// <summary>With CLIP's names.</summary>
    public static EncoderLayer Clip(Weights w, EncoderConfig config, bool causal) => new(
        config,
        new LayerNorm(w.At("layer_norm1"), config.Width, config.Eps),
        Attention(config, w.At("self_attn"), "q_proj", "k_proj", "v_proj", w.At("self_attn").At("out_proj")),
        new LayerNorm(w.At("layer_norm2"), config.Width, config.Eps),
        w.At("mlp").At("fc1"),
        w.At("mlp").At("fc2"),
        causal);

    /// <summary>With ViT's names.</summary>
    public static EncoderLayer Vit(Weights w, EncoderConfig config) => new(
        config,
        new LayerNorm(w.At("layernorm_before"), config.Width, config.Eps),
        Attention(config, w.At("attention").At("attention"), "query", "key", "value", w.At("attention").At("output").At("dense")),
        new LayerNorm(w.At("layernorm_after"), config.Width, config.Eps),
        w.At("intermediate").At("dense"),
        w.At("output").At("dense"),
        causal: false);

    /// <summary>[N, L, C] -> [N, L, C]; x may be overwritten.</summary>
    public Tensor Run(Ops ops, Tensor x)
    {
        using ArenaScope scope = ops.Scope();
        Tensor n = norm1.Run(ops, x);
        x = attention.AddSelf(ops, x, n, causal);
        n = norm2.Run(ops, x, into: n);
        return narrow.Run(ops, wide.Run(ops, n), residual: x, into: x);
    }

    static Attention Attention(EncoderConfig config, Weights w, string query, string key, string value, Weights output) => new(
        new Linear(w.At(query), config.Width, config.Width),
        new Linear(w.At(key), config.Width, config.Width),
        new Linear(w.At(value), config.Width, config.Width),
        new Linear(output, config.Width, config.Width),
        config.Heads);
}
