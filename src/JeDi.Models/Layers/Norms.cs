using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Group normalisation over pixels and the channels of a group, with SiLU after it where the network has one.</summary>
public sealed class GroupNorm(Weights w, int channels, int groups, float eps, bool silu = false)
{
    readonly Parameter scale = w.Vector("weight", channels);
    readonly Parameter shift = w.Vector("bias", channels);

    /// <summary>The norm of x, of its shape.</summary>
    public Tensor Run(Ops ops, Tensor x, Tensor into = default) => ops.GroupNorm(x, scale, shift, groups, eps, silu, into);
}

/// <summary>Normalisation of the last dimension. <c>final</c>: the end of a network, whose result is F32.</summary>
public sealed class LayerNorm(Weights w, int channels, float eps = 1e-5f, bool final = false)
{
    readonly Parameter scale = w.Vector("weight", channels);
    readonly Parameter shift = w.Vector("bias", channels);

    /// <summary>The norm of x, of its shape.</summary>
    public Tensor Run(Ops ops, Tensor x, Tensor into = default) => ops.LayerNorm(x, scale, shift, eps, final, into);
}
