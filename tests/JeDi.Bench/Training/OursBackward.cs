using JeDi.Cpu;
using JeDi.Tensors;

namespace JeDi.Bench.Training;

/// <summary>The engine's backward kernels on inputs of one shape; gradients of weights add.</summary>
sealed class OursBackward(int threads, bool winograd) : IDisposable
{
    const int Groups = 16;

    // Among which the rows of a product are cut: the sums of its bias are of each.
    const int Images = 16;
    const float Eps = 1e-5f;

    readonly CpuDevice device = new(threads, winograd: winograd);
    readonly List<Arena> arenas = [];

    public string Name => device.Name;

    public Action Gemm(ProductShape shape)
    {
        Ops ops = NewOps();
        Tensor x = Random(ops, [Images, shape.M / Images, shape.K], 1);
        Tensor dy = Random(ops, [Images, shape.M / Images, shape.N], 2);
        Parameter w = Weight(ops, ParameterKind.Matrix, [shape.N, shape.K]);
        Tensor dx = ops.New(x.Shape);
        Tensor dw = Random(ops, w.Shape, 4);
        Tensor dbias = Random(ops, [shape.N], 5);
        return () => device.Gradients.Gemm(dx, dw, dbias, dy, x, w, default, Activation.None, false);
    }

    /// <param name="shape">Of the convolution.</param>
    /// <param name="data">The input's gradient, where the convolution is not a network's first.</param>
    /// <param name="weight">Those of filter and bias.</param>
    public Action Conv2d(ConvolutionShape shape, bool data, bool weight)
    {
        Ops ops = NewOps();
        Tensor x = Random(ops, [shape.Images, shape.Size, shape.Size, shape.I], 1);
        Tensor dy = Random(ops, [shape.Images, shape.OutputSize, shape.OutputSize, shape.O], 2);
        Parameter w = Weight(ops, ParameterKind.Convolution, [shape.O, 3, 3, shape.I]);
        Tensor dx = data && !shape.IsFirst ? ops.New(x.Shape) : default;
        Tensor dw = weight ? Random(ops, w.Shape, 4) : default;
        Tensor dbias = weight ? Random(ops, [shape.O], 5) : default;
        var geometry = new ConvGeometry(shape.Stride, Padding.Same, shape.Upsample);
        return () => device.Gradients.Conv2d(dx, dw, dbias, default, dy, x, w, geometry, false);
    }

    public Action Attention(SetsShape shape)
    {
        Ops ops = NewOps();
        Shape tokens = [shape.Sets, shape.Length, shape.Heads * shape.Width];
        Tensor q = Random(ops, tokens, 1);
        Tensor k = Random(ops, tokens, 2);
        Tensor v = Random(ops, tokens, 3);
        Tensor dy = Random(ops, tokens, 4);
        Tensor y = ops.New(tokens);
        Tensor level = ops.New([shape.Sets, shape.Heads, shape.Length]);
        device.Kernels.Attention(y, q, k, v, shape.Heads, default, default, false, level);
        Tensor dq = ops.New(tokens);
        Tensor dk = ops.New(tokens);
        Tensor dv = ops.New(tokens);
        return () => device.Gradients.Attention(
            dq, dk, dv, default, dy, q, k, v, y, level, shape.Heads, default, default, false, false);
    }

    public Action GroupNorm(NormShape shape)
    {
        Ops ops = NewOps();
        Tensor x = Random(ops, [shape.Images, shape.Size * shape.Size, shape.Channels], 1);
        Tensor dy = Random(ops, x.Shape, 2);
        Tensor scale = Random(ops, [shape.Channels], 3);
        Tensor y = ops.New(x.Shape);
        Tensor statistics = ops.New([shape.Images, Groups, 2]);
        device.Kernels.GroupNorm(y, x, scale, scale, Groups, Eps, true, statistics);
        Tensor dscale = Random(ops, scale.Shape, 4);
        Tensor dshift = Random(ops, scale.Shape, 5);
        return () => device.Gradients.GroupNorm(y, dscale, dshift, dy, x, statistics, scale, scale, Groups, true, false);
    }

    public Action LayerNorm(NormShape shape)
    {
        Ops ops = NewOps();
        Tensor x = Random(ops, [shape.Images, shape.Size * shape.Size, shape.Channels], 1);
        Tensor dy = Random(ops, x.Shape, 2);
        Tensor scale = Random(ops, [shape.Channels], 3);
        Tensor y = ops.New(x.Shape);
        Tensor statistics = ops.New([checked((int)x.Shape.RowCount), 2]);
        device.Kernels.LayerNorm(y, x, scale, scale, Eps, statistics);
        Tensor dscale = Random(ops, scale.Shape, 4);
        Tensor dshift = Random(ops, scale.Shape, 5);
        return () => device.Gradients.LayerNorm(y, dscale, dshift, dy, x, statistics, scale, false);
    }

    /// <summary>h gelu(g) of [h, g]: its gradient alone, without the product that it ends.</summary>
    public Action Geglu(NormShape shape)
    {
        Ops ops = NewOps();
        int rows = shape.Images * shape.Size * shape.Size;
        Parameter w = Weight(ops, ParameterKind.GegluMatrix, [8 * shape.Channels, shape.Channels]);
        Tensor pre = Random(ops, [shape.Images, rows / shape.Images, 8 * shape.Channels], 1);
        Tensor dy = Random(ops, [shape.Images, rows / shape.Images, 4 * shape.Channels], 2);
        return () => device.Gradients.Gemm(default, default, default, dy, default, w, pre, Activation.Geglu, false);
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

    static Tensor Random(Ops ops, Shape shape, int seed) => ops.From<float>(shape, Numbers.Random(shape.Count, seed));

    static Parameter Weight(Ops ops, ParameterKind kind, Shape shape) => new("w", kind, shape) { Value = Random(ops, shape, 3) };
}
