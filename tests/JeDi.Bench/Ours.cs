using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;

namespace JeDi.Bench;

/// <summary>The engine's kernels on inputs of one shape.</summary>
sealed class Ours(int threads) : IDisposable
{
    readonly CpuDevice device = new(threads);
    readonly List<Arena> arenas = [];

    public string Name => device.Name;

    public Action Gemm(GemmShape shape)
    {
        Ops ops = NewOps();
        Tensor x = Random(ops, [shape.M, shape.K], 1);
        Tensor y = ops.New([shape.M, shape.N]);
        Parameter w = Weight(ParameterKind.Matrix, [shape.N, shape.K]);
        return () => device.Kernels.Gemm(y, x, w, default, default, Activation.None);
    }

    public Action Conv2d(ConvShape shape)
    {
        Ops ops = NewOps();
        Tensor x = Random(ops, [1, shape.Size, shape.Size, shape.I], 1);
        Tensor y = ops.New([1, shape.Size, shape.Size, shape.O]);
        Tensor bias = Random(ops, [shape.O], 3);
        Parameter w = Weight(ParameterKind.Convolution, [shape.O, 3, 3, shape.I]);
        return () => device.Kernels.Conv2d(y, x, w, bias, default, default, new ConvGeometry(1));
    }

    public Action Attention(AttentionShape shape)
    {
        Ops ops = NewOps();
        Shape tokens = [1, shape.Length, shape.Heads * shape.Width];
        Tensor q = Random(ops, tokens, 1);
        Tensor k = Random(ops, tokens, 2);
        Tensor v = Random(ops, tokens, 3);
        Tensor y = ops.New(tokens);
        return () => device.Kernels.Attention(y, q, k, v, shape.Heads, default, default, causal: false);
    }

    public Action GroupNorm(ImageShape shape)
    {
        Ops ops = NewOps();
        (Tensor x, Tensor y) = Image(ops, shape);
        Tensor scale = Random(ops, [shape.Channels], 2);
        return () => device.Kernels.GroupNorm(y, x, scale, scale, 32, 1e-5f, silu: true);
    }

    public Action LayerNorm(ImageShape shape)
    {
        Ops ops = NewOps();
        (Tensor x, Tensor y) = Image(ops, shape);
        Tensor scale = Random(ops, [shape.Channels], 2);
        return () => device.Kernels.LayerNorm(y, x, scale, scale, 1e-5f);
    }

    public Action Add(ImageShape shape)
    {
        Ops ops = NewOps();
        (Tensor x, Tensor y) = Image(ops, shape);
        return () => device.Kernels.Add(y, y, x);
    }

    /// <summary>Gives back the memory of every operation made so far.</summary>
    public void Clear()
    {
        arenas.ForEach(arena => arena.Release());
        arenas.Clear();
    }

    public void Dispose()
    {
        Clear();
        device.Dispose();
    }

    Ops NewOps()
    {
        var arena = new Arena(device);
        arenas.Add(arena);
        return new Ops(device, arena);
    }

    static (Tensor X, Tensor Y) Image(Ops ops, ImageShape shape)
    {
        Shape pixels = [1, shape.Size * shape.Size, shape.Channels];
        return (Random(ops, pixels, 1), Random(ops, pixels, 3));
    }

    static Tensor Random(Ops ops, Shape shape, int seed) => ops.From<float>(shape, Numbers.Random(shape.Count, seed));

    Parameter Weight(ParameterKind kind, Shape shape) =>
        device.Load("w", kind, shape, DType.F32, MemoryMarshal.AsBytes<float>(Numbers.Random(shape.Count, 2)));
}
