using System.Runtime.InteropServices;

namespace JeDi.Bench.Peers;

/// <summary>
/// What oneDNN 2.x has for attention (two products and a softmax of whole score matrices, head after head) and layer norm.
/// </summary>
sealed partial class OneDnn
{
    const int MatrixLayout = 3;

    // The scores of a head are a matrix: beyond this many keys it would not fit the machine.
    const int MaxKeys = 8192;

    public override Action? Attention(AttentionShape shape)
    {
        if (winograd || shape.Length > MaxKeys)
        {
            return null;
        }

        StartEngine();
        (int heads, int length, int width) = shape;
        int channels = heads * width;
        nint q = Floats((long)length * channels, 1);
        nint k = Floats((long)length * channels, 2);
        nint v = Floats((long)length * channels, 3);
        nint y = Floats((long)length * channels, 4);
        nint scores = Floats((long)length * length, 5);
        nint matrix = Descriptor([length, length], MatrixLayout);
        nint operation = Block(OperationBytes);
        Check(dnnl_softmax_forward_desc_init(operation, InferenceForward, matrix, 1), "dnnl_softmax_forward_desc_init");
        nint memory = Wrap(matrix, scores);
        float scale = 1 / MathF.Sqrt(width);
        Action softmax = Primitive(operation, [new(1, memory), new(17, memory)]);
        return () =>
        {
            for (int head = 0; head < heads; head++)
            {
                int at = head * width * sizeof(float);
                Check(
                    dnnl_sgemm((byte)'N', (byte)'T', length, length, width, scale, q + at, channels, k + at, channels, 0, scores, length),
                    "dnnl_sgemm");
                softmax();
                Check(
                    dnnl_sgemm((byte)'N', (byte)'N', length, width, length, 1, scores, length, v + at, channels, 0, y + at, channels),
                    "dnnl_sgemm");
            }
        };
    }

    /// <summary>Without scale and shift.</summary>
    public override Action? LayerNorm(ImageShape shape)
    {
        if (winograd)
        {
            return null;
        }

        StartEngine();
        nint rows = Descriptor([shape.Size * shape.Size, shape.Channels], MatrixLayout);
        nint statistics = Descriptor([shape.Size * shape.Size], VectorLayout);
        nint operation = Block(OperationBytes);
        Check(
            dnnl_layer_normalization_forward_desc_init(operation, InferenceForward, rows, statistics, 1e-5f, 0),
            "dnnl_layer_normalization_forward_desc_init");
        return Primitive(operation, [new(1, Memory(rows, 1)), new(17, Memory(rows, 2))]);
    }

    [LibraryImport(Library)]
    private static partial int dnnl_softmax_forward_desc_init(nint operation, int kind, nint data, int axis);

    [LibraryImport(Library)]
    private static partial int dnnl_layer_normalization_forward_desc_init(
        nint operation, int kind, nint data, nint statistics, float epsilon, uint flags);
}
