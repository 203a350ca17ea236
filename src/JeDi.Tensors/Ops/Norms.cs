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
        Kernels.GroupNorm(y, x, scale, shift, groups, eps, silu);
        return y;
    }

    /// <summary>Normalises the last dimension. final: the result is F32.</summary>
    public Tensor LayerNorm(Tensor x, Parameter scale, Parameter shift, float eps, bool final = false, Tensor into = default)
    {
        Check(scale.Shape.Count == x.Shape[-1] && shift.Shape.Count == x.Shape[-1], $"x {x.Shape} against '{scale.Name}' {scale.Shape}");
        Tensor y = Result(into, x.Shape, TypeOf(x, final));
        Kernels.LayerNorm(y, x, scale, shift, eps);
        return y;
    }
}
