using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Coupled self-attention over all images of a set (section 3.2 of the paper), cross-attention to each image's own text, and a
/// gated feed-forward network, each after a layer norm and with a residual.
/// </summary>
sealed class TransformerBlock(Weights w, int width, int heads, int contextWidth, int layer)
{
    readonly LayerNorm norm1 = new(w.At("norm1"), width);
    readonly Attention self = new(w.At("attn1"), width, width, heads);
    readonly LayerNorm norm2 = new(w.At("norm2"), width);
    readonly Attention cross = new(w.At("attn2"), width, contextWidth, heads);
    readonly LayerNorm norm3 = new(w.At("norm3"), width);
    readonly Linear gated = new(w.At("ff").At("net").At(0).At("proj"), width, 4 * width, activation: Activation.Geglu);
    readonly Linear narrow = new(w.At("ff").At("net").At(2), 4 * width, width);

    /// <summary>Keys and values of the cross-attention for texts [texts, tokens, contextWidth].</summary>
    public (Tensor Key, Tensor Value) EncodeText(Ops ops, Tensor texts, Tensor key = default, Tensor value = default) =>
        (cross.Key(ops, texts, key), cross.Value(ops, texts, value));

    /// <summary>
    /// The new state of <paramref name="x"/>, which is h [images, L, C] itself or its targets' entries [targets, L, C], and may be
    /// overwritten.
    /// </summary>
    public Tensor Run(Ops ops, Tensor h, Tensor x, TextKeys texts, JointBatch batch, Tensor bias)
    {
        Coupling coupling = batch.For(x);
        x = AddSelfAttention(ops, h, x, coupling.Images, batch, bias);
        x = AddCrossAttention(ops, x, coupling.Texts, texts);
        using ArenaScope scope = ops.Scope();
        Tensor wide = gated.Run(ops, norm3.Run(ops, x)); // [N, L, 4C]
        return narrow.Run(ops, wide, residual: x, into: x); // [N, L, C]
    }

    Tensor AddSelfAttention(Ops ops, Tensor h, Tensor x, AttentionSets sets, JointBatch batch, Tensor bias)
    {
        using ArenaScope scope = ops.Scope();
        Tensor n = norm1.Run(ops, h);
        Tensor k = self.Key(ops, n);
        Tensor v = self.Value(ops, n);
        Tensor asking = batch.Like(ops, n, x);
        Tensor q = self.Query(ops, asking);
        batch.Observer?.Invoke(ops, layer, q, k, bias, self.Heads);
        Tensor seen = ops.Attention(q, k, v, self.Heads, sets, bias, into: asking);
        return self.Output(ops, seen, residual: x, into: x);
    }

    Tensor AddCrossAttention(Ops ops, Tensor x, AttentionSets sets, TextKeys texts)
    {
        using ArenaScope scope = ops.Scope();
        Tensor n = norm2.Run(ops, x);
        Tensor q = cross.Query(ops, n);
        (Tensor k, Tensor v) = texts[layer];
        Tensor seen = ops.Attention(q, k, v, cross.Heads, sets, into: n);
        return cross.Output(ops, seen, residual: x, into: x);
    }
}
