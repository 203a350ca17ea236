using System.Runtime.InteropServices;
using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

sealed unsafe partial class CudaKernels
{
    static readonly Kernel attention = new(
        "attention", "attention", "WIDTH", "ROWS", "WARPS", "KEYS", "UNIT", "STAGES", "BLOCKS", "BIAS", "CAUSAL");
    static readonly Kernel attentionWide = new("attention_wide", "attention_wide", "WIDTH", "QUERIES", "KEYS", "WARPS");
    static readonly Kernel attentionPlain = new("attention_plain", "attention_plain", "WIDTH", "QUERIES");

    /// <summary>The bounds of sets lie in device memory and are not checked here: they must rise from 0 to the images.</summary>
    public override void Attention(
        Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal, Tensor logSumExp = default)
    {
        if (y.Count == 0)
        {
            return;
        }

        int width = q.Shape[2] / heads;
        var args = new AttentionArgs
        {
            Y = y.Address,
            Q = q.Address,
            K = k.Address,
            V = v.Address,
            Bias = bias.Address,
            LogSumExp = logSumExp.Address,
            QueryBounds = sets.Queries.Address,
            KeyBounds = sets.Keys.Address,
            Sets = sets.Queries.Exists ? (int)sets.Queries.Count - 1 : q.Shape[0],
            QueryTokens = q.Shape[1],
            KeyTokens = k.Shape[1],
            Heads = heads,
            KeysPerBias = KeysPerBias(bias, k),
            Causal = causal ? 1 : 0,
            Scale = ScoreScale(width),
        };
        if (q.DType != DType.F32 && width % 8 == 0 && width <= AttentionTile.MaxWidth)
        {
            AttentionTile tile = AttentionTile.Choose(width, q.Shape[1], bias.Exists, gpu.SharedBytesPerBlock);
            Launch(
                new Variant(attention, q.DType, width, tile.Rows, tile.Warps, tile.Keys, tile.Unit, tile.Stages, tile.Blocks,
                    bias.Exists ? 1 : 0, args.Causal),
                args,
                new Grid(Pieces(q.Shape[1], tile.Queries), heads, q.Shape[0]),
                32 * tile.Warps,
                tile.SharedBytes(width, bias.Exists));
        }
        else if (q.DType != DType.F32 && width % WideAttentionTile.WidthUnit == 0 && width <= WideAttentionTile.MaxWidth)
        {
            WideAttentionTile tile = WideAttentionTile.Choose(width, gpu.SharedBytesPerBlock);
            Launch(
                new Variant(attentionWide, q.DType, width, tile.Queries, tile.Keys, tile.Warps),
                args,
                new Grid(Pieces(q.Shape[1], tile.Queries), heads, q.Shape[0]),
                32 * tile.Warps,
                tile.SharedBytes(width));
        }
        else
        {
            const int Warps = 4;
            int queries = width <= 256 ? 8 : width <= 512 ? 4 : 1;
            Launch(
                new Variant(attentionPlain, q.DType, width, queries),
                args,
                new Grid(Pieces(q.Shape[1], Warps * queries), heads, q.Shape[0]),
                32 * Warps,
                sizeof(float) * (32 * (width | 1) + Warps * queries * width));
        }
    }

    /// <summary>log2(e) / sqrt(d): scores in units of log2.</summary>
    static float ScoreScale(int width) => (float)(1.4426950408889634 / Math.Sqrt(width));

    static int KeysPerBias(Tensor bias, Tensor k) => bias.Exists && bias.Count == k.Shape[0] ? k.Shape[1] : 1;
}

/// <summary>Arguments of the three attention kernels, as in <c>kernels/lib/attention.cuh</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
struct AttentionArgs
{
    public nint Y;
    public nint Q;
    public nint K;
    public nint V;
    public nint Bias;
    public nint LogSumExp;
    public nint QueryBounds;
    public nint KeyBounds;
    public int Sets;
    public int QueryTokens;
    public int KeyTokens;
    public int Heads;
    public int KeysPerBias;
    public int Causal;
    public float Scale;
}
