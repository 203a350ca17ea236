using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

/// <summary>Gradients of a product or a convolution on host arrays.</summary>
sealed record ProductGradients(float[] Dx, float[] Dw, float[] Dbias, float[] DrowBias);

/// <summary>Runs one backward operation on host arrays, after the forward one where it saves something.</summary>
static class GradientRun
{
    /// <summary>Gradients of act(x w^T + bias), added to <paramref name="start"/> in every element.</summary>
    public static ProductGradients Gemm(
        Device device, float[] x, float[] w, float[] bias, float[] dy, Shape rows, int n, int k, Activation activation, float start = 0,
        int calls = 1)
    {
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        ParameterKind kind = activation == Activation.Geglu ? ParameterKind.GegluMatrix : ParameterKind.Matrix;
        Parameter weight = Weight(ops, kind, [n, k], w);
        Parameter vector = device.LoadFloats(ParameterKind.Vector, [n], bias);
        Parameter loaded = device.LoadFloats(kind, [n, k], w);
        Tensor input = ops.From<float>(rows.Append(k), x);
        Tensor gradient = ops.From<float>(rows.Append(dy.Length / (int)rows.Count), dy);
        Tensor dx = Filled(ops, input.Shape, start);
        Tensor dw = Filled(ops, [n, k], start);
        Tensor dbias = Filled(ops, [n], start);
        int images = rows[0] / calls;
        for (int call = 0; call < calls; call++)
        {
            Tensor some = input.Rows(call * images, images);
            Tensor pre = default;
            if (activation != Activation.None)
            {
                pre = ops.New(rows.WithFirst(images).Append(n));
                Tensor y = ops.New(gradient.Rows(0, images).Shape);
                device.Kernels.Gemm(y, some, loaded, vector, default, activation, pre);
            }

            device.Gradients.Gemm(
                dx.Rows(call * images, images), dw, dbias, gradient.Rows(call * images, images), some, weight, pre, activation, start != 0);
        }

        var result = new ProductGradients(device.ToArray(dx), device.ToArray(dw), device.ToArray(dbias), []);
        arena.Release();
        return result;
    }

    public static ProductGradients Conv2d(
        Device device, float[] x, float[] w, float[] dy, Shape input, int o, int kernel, ConvGeometry geometry, float start = 0,
        int calls = 1)
    {
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Shape filter = [o, kernel, kernel, input[3]];
        Parameter weight = Weight(ops, ParameterKind.Convolution, filter, w);
        Tensor pixels = ops.From<float>(input, x);
        Tensor gradient = ops.From<float>(Output(input, o, kernel, geometry), dy);
        Tensor dx = Filled(ops, input, start);
        Tensor dw = Filled(ops, filter, start);
        Tensor dbias = Filled(ops, [o], start);
        Tensor drow = Filled(ops, [input[0], o], start);
        int images = input[0] / calls;
        for (int call = 0; call < calls; call++)
        {
            int first = call * images;
            device.Gradients.Conv2d(
                dx.Rows(first, images), dw, dbias, drow.Rows(first, images), gradient.Rows(first, images), pixels.Rows(first, images),
                weight, geometry, start != 0);
        }

        var result = new ProductGradients(device.ToArray(dx), device.ToArray(dw), device.ToArray(dbias), device.ToArray(drow));
        arena.Release();
        return result;
    }

    public static Shape Output(Shape input, int o, int kernel, ConvGeometry geometry) =>
        [input[0], geometry.OutputSize(input[1], kernel), geometry.OutputSize(input[2], kernel), o];

    public static Tensor Filled(Ops ops, Shape shape, float value)
    {
        var values = new float[shape.Count];
        Array.Fill(values, value);
        return ops.From<float>(shape, values);
    }

    /// <summary>A weight as it stands in training: its plain value.</summary>
    public static Parameter Weight(Ops ops, ParameterKind kind, Shape shape, float[] values) =>
        new("w", kind, shape) { Value = ops.From<float>(shape, values) };

    public static Shape Append(this Shape shape, int size)
    {
        int[] sizes = [.. Enumerable.Range(0, shape.Rank).Select(i => shape[i]), size];
        return Shape.Create(sizes);
    }
}
