using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace JeDi.Bench.Peers;

/// <summary>
/// ONNX Runtime's CPU provider, on models of one node. Weights are constants, so it packs them while it loads the model; inputs and
/// results lie in memory that stands before the run.
/// </summary>
sealed class OnnxRuntime : Peer
{
    // Shorter than the pause between contenders, so that its threads never spin into the next one's time.
    const int SpinMicroseconds = 2000;

    int threads = 1;

    public override string Name => "ONNX Runtime";

    public override string? Missing { get; } = Check(() => OrtEnv.Instance());

    public override void UseThreads(int count) => threads = count;

    public override Action Gemm(GemmShape shape)
    {
        (int m, int n, int k) = shape;
        OnnxModel model = new OnnxModel("Gemm")
            .Attribute("transB", 1)
            .Input("x", [m, k])
            .Weight("w", [n, k], Numbers.Random((long)n * k, 2));
        return Run(model, [m, n]);
    }

    /// <summary>
    /// On channels-first images, the layout of the format. Where it pays, the runtime converts to blocks of channels and back, and that
    /// is timed.
    /// </summary>
    public override Action Conv2d(ConvShape shape)
    {
        OnnxModel model = new OnnxModel("Conv")
            .Attribute("pads", [1, 1, 1, 1])
            .Input("x", [1, shape.I, shape.Size, shape.Size])
            .Weight("w", [shape.O, shape.I, 3, 3], Numbers.Random((long)shape.O * shape.I * 9, 2))
            .Weight("b", [shape.O], Numbers.Random(shape.O, 3));
        return Run(model, [1, shape.O, shape.Size, shape.Size]);
    }

    /// <summary>Without mask, bias and past it runs as flash attention, whatever the number of keys.</summary>
    public override Action Attention(AttentionShape shape)
    {
        long[] tokens = [1, shape.Length, shape.Heads * shape.Width];
        OnnxModel model = new OnnxModel("MultiHeadAttention", "com.microsoft")
            .Attribute("num_heads", shape.Heads)
            .Input("q", tokens)
            .Input("k", tokens)
            .Input("v", tokens);
        return Run(model, tokens);
    }

    /// <summary>Over the last axis with an epsilon of 1e-5, the defaults of the format.</summary>
    public override Action LayerNorm(ImageShape shape)
    {
        float[] scale = Numbers.Random(shape.Channels, 2);
        long[] pixels = [1, shape.Size * shape.Size, shape.Channels];
        OnnxModel model = new OnnxModel("LayerNormalization")
            .Input("x", pixels)
            .Weight("scale", [shape.Channels], scale)
            .Weight("shift", [shape.Channels], scale);
        return Run(model, pixels);
    }

    /// <summary>What runs a model once.</summary>
    Action Run(OnnxModel model, long[] resultShape)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
        };
        options.AddSessionConfigEntry("session.intra_op.spin_duration_us", SpinMicroseconds.ToString(CultureInfo.InvariantCulture));
        string[] names = [.. model.Inputs.Select(input => input.Name)];
        OrtValue[] inputs = [.. model.Inputs.Select((input, index) => Value(input.Shape, index + 1))];
        string[] resultNames = ["y"];
        OrtValue[] results = [Value(resultShape, names.Length + 1)];
        var session = new InferenceSession(model.Finish(resultNames[0], resultShape), options);
        var run = new RunOptions();
        AtClear(session.Dispose);
        AtClear(run.Dispose);
        return () => session.Run(run, names, inputs, resultNames, results);
    }

    OrtValue Value(long[] shape, int seed)
    {
        long count = shape.Aggregate(1L, (product, size) => product * size);
        var value = OrtValue.CreateTensorValueWithData(
            OrtMemoryInfo.DefaultInstance, TensorElementType.Float, shape, Floats(count, seed), count * sizeof(float));
        AtClear(value.Dispose);
        return value;
    }
}
