using System.Runtime.InteropServices;
using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

sealed unsafe partial class CudaKernels
{
    static readonly Kernel attentionMap = new("attention_map", "attention_map", "WIDTH");

    public override void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias)
    {
        const int Warps = 4;
        const int Queries = 8;
        if (map.Count == 0)
        {
            return;
        }

        int width = q.Shape[2] / heads;
        var args = new AttentionMapArgs
        {
            Map = map.Address,
            Q = q.Address,
            K = k.Address,
            Bias = bias.Address,
            Queries = q.Shape[0] * q.Shape[1],
            Keys = k.Shape[0] * k.Shape[1],
            Heads = heads,
            KeysPerBias = KeysPerBias(bias, k),
            Scale = ScoreScale(width),
        };
        Launch(
            new Variant(attentionMap, q.DType, width),
            args,
            new Grid(Pieces(args.Queries, Warps * Queries)),
            32 * Warps,
            sizeof(float) * (32 * (width | 1) + Warps * Queries * (width + 2 * heads)));
    }
}

/// <summary>Arguments of <c>kernels/attention_map.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
struct AttentionMapArgs
{
    public nint Map;
    public nint Q;
    public nint K;
    public nint Bias;
    public int Queries;
    public int Keys;
    public int Heads;
    public int KeysPerBias;
    public float Scale;
}
