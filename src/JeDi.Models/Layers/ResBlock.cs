using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Residual block of U-Net and VAE: x + conv(silu(norm(conv(silu(norm(x))) + time))), with a 1x1 shortcut where the width changes.
/// The VAE has no time (width 0).
/// </summary>
public sealed class ResBlock(Weights w, int inputs, int outputs, int groups, float eps, int timeWidth = 0)
{
    readonly GroupNorm norm1 = new(w.At("norm1"), inputs, groups, eps, silu: true);
    readonly Conv conv1 = new(w.At("conv1"), inputs, outputs);
    readonly Linear? time = timeWidth > 0 ? new Linear(w.At("time_emb_proj"), timeWidth, outputs) : null;
    readonly GroupNorm norm2 = new(w.At("norm2"), outputs, groups, eps, silu: true);
    readonly Conv conv2 = new(w.At("conv2"), outputs, outputs);
    readonly Linear? shortcut = inputs == outputs ? null : new Linear(w.At("conv_shortcut"), inputs, outputs, filter: true);

    /// <summary>Channels of the result.</summary>
    public int Outputs => outputs;

    /// <summary>Without an embedding; computed again on the way back where <see cref="Ops.Checkpoints"/> says so.</summary>
    public Tensor Step(Ops ops, Tensor x, Tensor into = default) =>
        ops.Checkpoints ? Checkpointed(ops, x) : Run(ops, x, into: into);

    /// <summary>
    /// [N, H, W, inputs] -> [N, H, W, outputs]; <paramref name="embedding"/> [N, timeWidth] has passed its SiLU.
    /// <paramref name="into"/> may be x itself where the width stays.
    /// </summary>
    public Tensor Run(Ops ops, Tensor x, Tensor embedding = default, Tensor into = default)
    {
        Tensor y = into.Exists ? into : ops.Room(x.Shape.WithLast(outputs));
        bool inPlace = y.Address == x.Address;
        using ArenaScope scope = ops.Scope();
        Tensor row = time is null ? default : time.Run(ops, embedding); // [N, outputs]
        Tensor h = inPlace ? ops.Room(y.Shape) : y;
        using (ops.Scope())
        {
            h = conv1.Run(ops, norm1.Run(ops, x), row, into: h); // [N, H, W, outputs]
        }

        Tensor n = norm2.Run(ops, h);
        Tensor residual = shortcut is null ? x : shortcut.Run(ops, x, into: y);
        return conv2.Run(ops, n, residual: residual, into: y);
    }

    Tensor Checkpointed(Ops ops, Tensor x) => ops.Checkpoint(x, x.Shape.WithLast(outputs), input => Run(ops, input));
}
