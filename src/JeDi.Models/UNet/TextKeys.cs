using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Keys and values of every cross-attention layer for a list of texts, each [texts, tokens, C]. They depend on the texts alone, so
/// they are computed once per prompt. Valid as long as the arena that they were made in.
/// </summary>
public sealed class TextKeys
{
    readonly (Tensor Key, Tensor Value)[] layers;

    internal TextKeys((Tensor Key, Tensor Value)[] layers) => this.layers = layers;

    /// <summary>Texts that images can refer to.</summary>
    public int Texts => layers[0].Key.Shape[0];

    /// <summary>The last <paramref name="count"/> texts, in the same memory.</summary>
    public TextKeys Last(int count) =>
        new([.. layers.Select(layer => (layer.Key.Rows(Texts - count, count), layer.Value.Rows(Texts - count, count)))]);

    internal (Tensor Key, Tensor Value) this[int layer] => layers[layer];
}
