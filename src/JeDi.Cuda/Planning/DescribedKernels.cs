using JeDi.Tensors;
using JeDi.Tensors.Decorators;

namespace JeDi.Cuda.Planning;

/// <summary>Writes beside each noted launch which operation it is part of; passes everything on.</summary>
sealed class DescribedKernels(Kernels inner, LaunchNotes notes) : ObservedKernels(inner)
{
    OpCall details = None;

    static OpCall None { get; } = new("", DType.F32, default, default);

    public override void Gemm(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation, Tensor preActivation = default)
    {
        if (notes.Taking)
        {
            details = None with { Weight = w.Shape, Activation = activation, Residual = residual.Exists };
        }

        base.Gemm(y, x, w, bias, residual, activation, preActivation);
    }

    public override void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, bool relu = false)
    {
        if (notes.Taking)
        {
            details = None with { Weight = w.Shape, Geometry = geometry, Residual = residual.Exists };
        }

        base.Conv2d(y, x, w, bias, rowBias, residual, geometry, relu);
    }

    public override void GroupNorm(
        Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu, Tensor statistics = default)
    {
        if (notes.Taking)
        {
            details = None with { Heads = groups, Activation = silu ? Activation.Silu : Activation.None };
        }

        base.GroupNorm(y, x, scale, shift, groups, eps, silu, statistics);
    }

    public override void Attention(
        Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal, Tensor logSumExp = default)
    {
        if (notes.Taking)
        {
            long rows = (long)k.Shape[0] * k.Shape[1];
            long each = sets.Queries.Exists ? rows / Math.Max(1, sets.Queries.Count - 1) : k.Shape[1];
            details = None with { Heads = heads, Keys = each, KeyRows = rows };
        }

        base.Attention(y, q, k, v, heads, sets, bias, causal, logSumExp);
    }

    protected override long Enter(string op) => notes.Count;

    protected override void Leave(string op, long entered, Tensor result, Tensor input)
    {
        if (!notes.Taking)
        {
            return;
        }

        OpCall call = details with { Op = op, Type = input.DType, Input = input.Shape, Result = result.Shape };
        details = None;
        for (int i = (int)entered; i < notes.Count; i++)
        {
            notes[i].Call = call;
        }
    }
}
