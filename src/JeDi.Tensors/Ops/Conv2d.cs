namespace JeDi.Tensors;

public sealed partial class Ops
{
    /// <summary>
    /// conv(x, w) + bias + rowBias per image + residual: [B, H, W, I] -> [B, H', W', O]. <paramref name="final"/>: the result is F32.
    /// <paramref name="relu"/>: the larger of that and 0, without a gradient.
    /// </summary>
    public Tensor Conv2d(
        Tensor x,
        Parameter w,
        Parameter? bias = null,
        Tensor rowBias = default,
        Tensor residual = default,
        ConvGeometry? geometry = null,
        bool final = false,
        bool relu = false,
        Tensor into = default)
    {
        ConvGeometry g = geometry ?? new ConvGeometry(1);
        Check(w.Kind == ParameterKind.Convolution, $"'{w.Name}' was loaded as {w.Kind}");
        Check(x.Shape.Rank == 4 && x.Shape[3] == w.Shape[3], $"x {x.Shape} against '{w.Name}' {w.Shape}");
        Check(bias is null || bias.Shape.Count == w.Shape[0], $"bias '{bias?.Name}' {bias?.Shape} against '{w.Name}' {w.Shape}");
        int kernel = w.Shape[1];
        Shape shape = [x.Shape[0], g.OutputSize(x.Shape[1], kernel), g.OutputSize(x.Shape[2], kernel), w.Shape[0]];
        Tensor y = Result(into, shape, TypeOf(x, final));
        Check(!rowBias.Exists || (rowBias.Shape[0] == x.Shape[0] && rowBias.Shape[-1] == w.Shape[0]),
            $"row bias {rowBias.Shape}, result {y.Shape}");
        Check(!residual.Exists || residual.Shape == y.Shape, $"residual {residual.Shape} against the result {y.Shape}");
        if (w.Adapter is Adapter adapter)
        {
            AdaptedConv2d(y, x, w, bias, rowBias, residual, g, adapter);
        }
        else if (Tape is null)
        {
            Kernels.Conv2d(y, x, w, bias, rowBias, residual, g, relu);
        }
        else
        {
            Check(!relu, $"no gradient goes through ReLU after '{w.Name}'");
            Conv2d(Tape, y, x, w, bias, rowBias, residual, g);
        }

        return y;
    }

    void Conv2d(Tape tape, Tensor y, Tensor x, Parameter w, Parameter? bias, Tensor rowBias, Tensor residual, ConvGeometry geometry)
    {
        Tensor dw = w.Gradient;
        Tensor dbias = bias?.Gradient ?? default;
        bool learns = tape.Tracks(x) || dw.Exists || dbias.Exists || tape.Tracks(rowBias);
        tape.Run(() => Kernels.Conv2d(y, x, w, bias, rowBias, residual, geometry));
        if (learns || tape.Tracks(residual))
        {
            tape.Note(y, dy =>
            {
                (Tensor dx, Tensor drows, _) = tape.Take(x, rowBias, default, out bool add);
                if (learns)
                {
                    tape.Run(() => tape.Gradients.Conv2d(dx, dw, dbias, drows, dy, x, w, geometry, add));
                }

                tape.Pass(residual, dy);
            });
        }
    }
}
