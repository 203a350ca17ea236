using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>The four projections of an attention layer; the names are those of its checkpoint.</summary>
public sealed class Attention(Linear query, Linear key, Linear value, Linear output, int heads)
{
    /// <summary>Heads; C / Heads channels each.</summary>
    public int Heads => heads;

    /// <summary>Attention of the U-Net: to_q, to_k, to_v without bias, to_out.0 with one.</summary>
    public Attention(Weights w, int width, int contextWidth, int heads)
        : this(
            new Linear(w.At("to_q"), width, width, bias: false),
            new Linear(w.At("to_k"), contextWidth, width, bias: false),
            new Linear(w.At("to_v"), contextWidth, width, bias: false),
            new Linear(w.At("to_out").At(0), width, width),
            heads)
    {
    }

    /// <summary>Queries [N, L, C].</summary>
    public Tensor Query(Ops ops, Tensor x, Tensor into = default) => query.Run(ops, x, into: into);

    /// <summary>Keys [N, L, C].</summary>
    public Tensor Key(Ops ops, Tensor x, Tensor into = default) => key.Run(ops, x, into: into);

    /// <summary>Values [N, L, C].</summary>
    public Tensor Value(Ops ops, Tensor x, Tensor into = default) => value.Run(ops, x, into: into);

    /// <summary>residual + the output projection.</summary>
    public Tensor Output(Ops ops, Tensor x, Tensor residual, Tensor into) => output.Run(ops, x, residual, into);

    /// <summary>x + attention of the normalised tokens <paramref name="n"/> [N, L, C] among themselves; both may be overwritten.</summary>
    public Tensor AddSelf(Ops ops, Tensor x, Tensor n, bool causal = false)
    {
        using ArenaScope scope = ops.Scope();
        Tensor q = Query(ops, n);
        Tensor k = Key(ops, n);
        Tensor v = Value(ops, n);
        Tensor seen = ops.Attention(q, k, v, heads, causal: causal, into: n);
        return Output(ops, seen, residual: x, into: x);
    }
}
