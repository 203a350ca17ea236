using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Convolution with a square kernel on [N, H, W, C].</summary>
/// <remarks><c>final</c>: the end of a network, whose result is F32.</remarks>
public sealed class Conv(
    Weights w,
    int inputs,
    int outputs,
    int kernel = 3,
    ConvGeometry? geometry = null,
    bool bias = true,
    bool final = false,
    bool relu = false)
{
    readonly Parameter weight = w.Convolution("weight", outputs, inputs, kernel);
    readonly Parameter? shift = bias ? w.Vector("bias", outputs) : null;

    /// <summary>[N, H, W, inputs] -> [N, H', W', outputs]; rowBias [N, outputs] is added to every pixel of an image.</summary>
    public Tensor Run(Ops ops, Tensor x, Tensor rowBias = default, Tensor residual = default, Tensor into = default) =>
        ops.Conv2d(x, weight, shift, rowBias, residual, geometry, final, relu, into);

    /// <summary>Shape of the result for such an input.</summary>
    public Shape Result(Shape x)
    {
        ConvGeometry g = geometry ?? new ConvGeometry(1);
        return [x[0], g.OutputSize(x[1], kernel), g.OutputSize(x[2], kernel), outputs];
    }
}
