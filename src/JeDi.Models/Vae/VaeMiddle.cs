using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Middle of encoder and decoder: residual block, one-headed attention over the pixels of an image, residual block.</summary>
sealed class VaeMiddle
{
    internal const float NormEps = 1e-6f;

    readonly ResBlock first;
    readonly GroupNorm? norm;
    readonly Attention? attention;
    readonly ResBlock second;

    public VaeMiddle(Weights w, VaeConfig config)
    {
        int width = config.Channels[^1];
        first = new ResBlock(w.At("resnets").At(0), width, width, config.Groups, NormEps);
        if (config.MiddleAttention)
        {
            Weights a = w.At("attentions").At(0);
            norm = new GroupNorm(a.At("group_norm"), width, config.Groups, NormEps);
            attention = new Attention(
                Square(a.At("to_q")), Square(a.At("to_k")), Square(a.At("to_v")), Square(a.At("to_out").At(0)), heads: 1);
        }

        second = new ResBlock(w.At("resnets").At(1), width, width, config.Groups, NormEps);

        Linear Square(Weights at) => new(at, width, width);
    }

    /// <summary>[N, H, W, C] -> [N, H, W, C]; x may be overwritten.</summary>
    public Tensor Run(Ops ops, Tensor x)
    {
        x = first.Step(ops, x, into: x);
        if (attention is not null)
        {
            using ArenaScope scope = ops.Scope();
            Shape tokens = [x.Shape[0], x.Shape[1] * x.Shape[2], x.Shape[3]];
            x = attention.AddSelf(ops, x.Reshape(tokens), norm!.Run(ops, x).Reshape(tokens)).Reshape(x.Shape); // [N, H, W, C]
        }

        return second.Step(ops, x, into: x);
    }
}
