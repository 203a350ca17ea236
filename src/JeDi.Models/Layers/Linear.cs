using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// y = act(x w^T + b) over the last dimension. <c>filter</c>: the checkpoint stores the weight as a 1x1 convolution, which on
/// channels-last images is the same thing. With <see cref="Activation.Geglu"/> the file holds twice the outputs.
/// <c>final</c>: the end of a network, whose result is F32.
/// </summary>
public sealed class Linear(
    Weights w, int inputs, int outputs, bool bias = true, bool filter = false, Activation activation = Activation.None,
    bool final = false)
{
    readonly Parameter weight = activation == Activation.Geglu ? w.GegluMatrix("weight", outputs, inputs)
        : filter ? w.Projection("weight", outputs, inputs)
        : w.Matrix("weight", outputs, inputs);

    readonly Parameter? shift = bias ? w.Vector("bias", activation == Activation.Geglu ? 2 * outputs : outputs) : null;

    /// <summary>[.., inputs] -> [.., outputs]; <paramref name="into"/> may be the residual.</summary>
    public Tensor Run(Ops ops, Tensor x, Tensor residual = default, Tensor into = default) =>
        ops.Linear(x, weight, shift, residual, activation, final, into);
}
