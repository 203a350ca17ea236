namespace JeDi.Tensors;

public sealed partial class Ops
{
    /// <summary>
    /// act(x w^T + bias) + residual over the last dimension: [.., K] -> [.., N] ([.., n] with GEGLU). final: the result is F32.
    /// </summary>
    public Tensor Linear(
        Tensor x, Parameter w, Parameter? bias = null, Tensor residual = default, Activation activation = Activation.None,
        bool final = false, Tensor into = default)
    {
        bool geglu = activation == Activation.Geglu;
        Check(x.Shape[-1] == w.Shape[1], $"x {x.Shape} against '{w.Name}' {w.Shape}");
        Check(w.Kind == (geglu ? ParameterKind.GegluMatrix : ParameterKind.Matrix), $"'{w.Name}' was loaded as {w.Kind}");
        Check(bias is null || bias.Shape.Count == w.Shape[0], $"bias '{bias?.Name}' {bias?.Shape} against '{w.Name}' {w.Shape}");
        Tensor y = Result(into, x.Shape.WithLast(geglu ? w.Shape[0] / 2 : w.Shape[0]), TypeOf(x, final));
        Check(!residual.Exists || residual.Shape == y.Shape, $"residual {residual.Shape} against the result {y.Shape}");
        if (w.Adapter is Adapter adapter)
        {
            AdaptedLinear(y, x, w, bias, residual, activation, adapter);
        }
        else if (Tape is null)
        {
            Kernels.Gemm(y, x, w, bias, residual, activation);
        }
        else
        {
            Linear(Tape, y, x, w, bias, residual, activation);
        }

        return y;
    }

    void Linear(Tape tape, Tensor y, Tensor x, Parameter w, Parameter? bias, Tensor residual, Activation activation)
    {
        Tensor dw = w.Gradient;
        Tensor dbias = bias?.Gradient ?? default;
        bool learns = tape.Tracks(x) || dw.Exists || dbias.Exists;
        Tensor p = learns && activation != Activation.None ? New(x.Shape.WithLast(w.Shape[0])) : default;
        tape.Run(() => Kernels.Gemm(y, x, w, bias, residual, activation, p));
        if (learns || tape.Tracks(residual))
        {
            tape.Note(y, dy =>
            {
                Tensor dx = tape.Take(x, out bool add);
                if (learns)
                {
                    tape.Run(() => tape.Gradients.Gemm(dx, dw, dbias, dy, x, w, p, activation, add));
                }

                tape.Pass(residual, dy);
            });
        }
    }
}
