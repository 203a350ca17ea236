namespace JeDi.Tensors;

public sealed partial class Ops
{
    /// <summary>Normalises each group of channels over all pixels of an image, then SiLU if asked: [B, pixels.., C].</summary>
    public Tensor GroupNorm(Tensor x, Parameter scale, Parameter shift, int groups, float eps, bool silu = false, Tensor into = default)
    {
        int channels = x.Shape[-1];
        Check(channels % groups == 0, $"{channels} channels in {groups} groups");
        Check(scale.Shape.Count == channels && shift.Shape.Count == channels, $"x {x.Shape} against '{scale.Name}' {scale.Shape}");
        Tensor y = Result(into, x.Shape, x.DType);
        if (Tape is null)
        {
            Kernels.GroupNorm(y, x, scale, shift, groups, eps, silu);
        }
        else
        {
            GroupNorm(Tape, y, x, scale, shift, groups, eps, silu);
        }

        return y;
    }

    void GroupNorm(Tape tape, Tensor y, Tensor x, Parameter scale, Parameter shift, int groups, float eps, bool silu)
    {
        bool learns = tape.Tracks(x) || scale.Gradient.Exists || shift.Gradient.Exists;
        Tensor statistics = learns ? New([x.Shape[0], groups, 2]) : default;
        tape.Run(() => Kernels.GroupNorm(y, x, scale, shift, groups, eps, silu, statistics));
        if (learns)
        {
            tape.Note(y, dy =>
            {
                Tensor dx = tape.Take(x, out bool add);
                tape.Run(() => tape.Gradients.GroupNorm(
                    dx, scale.Gradient, shift.Gradient, dy, x, statistics, scale, shift, groups, silu, add));
            });
        }
    }

    /// <summary>Normalises the last dimension. final: the result is F32.</summary>
    public Tensor LayerNorm(Tensor x, Parameter scale, Parameter shift, float eps, bool final = false, Tensor into = default)
    {
        Check(scale.Shape.Count == x.Shape[-1] && shift.Shape.Count == x.Shape[-1], $"x {x.Shape} against '{scale.Name}' {scale.Shape}");
        Tensor y = Result(into, x.Shape, TypeOf(x, final));
        if (Tape is null)
        {
            Kernels.LayerNorm(y, x, scale, shift, eps);
        }
        else
        {
            LayerNorm(Tape, y, x, scale, shift, eps);
        }

        return y;
    }

    void LayerNorm(Tape tape, Tensor y, Tensor x, Parameter scale, Parameter shift, float eps)
    {
        bool learns = tape.Tracks(x) || scale.Gradient.Exists || shift.Gradient.Exists;
        Tensor statistics = learns ? New([checked((int)x.Shape.RowCount), 2]) : default;
        tape.Run(() => Kernels.LayerNorm(y, x, scale, shift, eps, statistics));
        if (learns)
        {
            tape.Note(y, dy =>
            {
                Tensor dx = tape.Take(x, out bool add);
                tape.Run(() => tape.Gradients.LayerNorm(dx, scale.Gradient, shift.Gradient, dy, x, statistics, scale, add));
            });
        }
    }
}
