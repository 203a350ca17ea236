namespace JeDi.Tensors;

/// <summary>Products with a low-rank change beside the weight (<see cref="Adapter"/>): h = scale down x, then up h is added.</summary>
public sealed partial class Ops
{
    void AdaptedLinear(
        Tensor y, Tensor x, Parameter w, Parameter? bias, Tensor residual, Activation activation, Adapter adapter)
    {
        using ArenaScope scope = Scope();
        bool plain = activation == Activation.None;
        Tensor h = New(x.Shape.WithLast(adapter.Rank));
        Tensor p = plain ? default : New(x.Shape.WithLast(w.Shape[0]));
        Tensor activated = !plain && residual.Exists ? New(y.Shape) : y;
        Run(() => Kernels.Gemm(h, x, adapter.Down, default, default, Activation.None));
        Scale(h, adapter);
        if (plain)
        {
            Run(() => Kernels.Gemm(y, x, w, bias, residual, Activation.None));
            Run(() => Kernels.Gemm(y, h, adapter.Up, default, y, Activation.None));
        }
        else
        {
            // The kernel's own activation comes too early; what counts is the sum that it saves.
            Run(() => Kernels.Gemm(activated, x, w, bias, default, activation, p));
            Run(() => Kernels.Gemm(p, h, adapter.Up, default, p, Activation.None));
            Run(() => (Tape?.Gradients ?? Device.Gradients).Activate(activated, p, activation));
            if (residual.Exists)
            {
                Run(() => Kernels.Add(y, activated, residual));
            }
        }

        Tape?.Note(y, dy =>
        {
            Tensor dx = Tape.Take(x, out bool add);
            Tape.Run(() => Tape.Gradients.Gemm(dx, w.Gradient, bias?.Gradient ?? default, dy, x, w, p, activation, add));
            Tensor dp = plain ? dy : p; // It holds that gradient by now.
            Tensor dh = BackThroughUp(Tape, h, dp, adapter);
            Tape.Run(() => Tape.Gradients.Gemm(
                dx, adapter.Down.Gradient, default, dh, x, adapter.Down, default, Activation.None, add: true));
            Tape.Pass(residual, dy);
        });
    }

    void AdaptedConv2d(
        Tensor y, Tensor x, Parameter w, Parameter? bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, Adapter adapter)
    {
        using ArenaScope scope = Scope();
        Tensor h = New(y.Shape.WithLast(adapter.Rank));
        Run(() => Kernels.Conv2d(h, x, adapter.Down, default, default, default, geometry));
        Scale(h, adapter);
        Run(() => Kernels.Conv2d(y, x, w, bias, rowBias, residual, geometry));
        Run(() => Kernels.Gemm(y, h, adapter.Up, default, y, Activation.None));
        Tape?.Note(y, dy =>
        {
            (Tensor dx, Tensor drows, _) = Tape.Take(x, rowBias, default, out bool add);
            Tape.Run(() => Tape.Gradients.Conv2d(dx, w.Gradient, bias?.Gradient ?? default, drows, dy, x, w, geometry, add));
            Tensor dh = BackThroughUp(Tape, h, dy, adapter);
            Tape.Run(() => Tape.Gradients.Conv2d(
                dx, adapter.Down.Gradient, default, default, dh, x, adapter.Down, geometry, add: true));
            Tape.Pass(residual, dy);
        });
    }

    /// <summary>The gradient of the product of x and down, before the scale; that of up is added on the way.</summary>
    Tensor BackThroughUp(Tape tape, Tensor h, Tensor dp, Adapter adapter)
    {
        Tensor dh = New(h.Shape);
        tape.Run(() => tape.Gradients.Gemm(
            dh, adapter.Up.Gradient, default, dp, h, adapter.Up, default, Activation.None, add: false));
        Scale(dh, adapter);
        return dh;
    }

    void Scale(Tensor h, Adapter adapter)
    {
        Tensor[] terms = [h];
        Run(() => Kernels.Combine(h, adapter.Scale, terms));
    }

    /// <summary>Runs a call, and with a tape at each replay.</summary>
    void Run(Action call)
    {
        if (Tape is null)
        {
            call();
        }
        else
        {
            Tape.Run(call);
        }
    }
}
