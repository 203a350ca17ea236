using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>relu(x + conv(relu(conv(relu(conv(x)))))) of the tiny autoencoder.</summary>
sealed class TinyBlock(Weights w, int width)
{
    readonly Conv first = new(w.At("conv").At(0), width, width, relu: true);
    readonly Conv second = new(w.At("conv").At(2), width, width, relu: true);
    readonly Conv third = new(w.At("conv").At(4), width, width, relu: true);

    /// <summary>[N, H, W, C] -> [N, H, W, C]; x may be overwritten.</summary>
    public Tensor Run(Ops ops, Tensor x)
    {
        using ArenaScope scope = ops.Scope();
        return third.Run(ops, second.Run(ops, first.Run(ops, x)), residual: x, into: x);
    }
}
