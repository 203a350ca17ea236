using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace JeDi.Bench.Peers;

/// <summary>
/// libtorch through TorchSharp, eager and without gradients, on channels-last images. It has no place for the caller's results:
/// making and freeing them is timed, as it is for whoever uses it.
/// </summary>
sealed class Torch : Peer
{
    const int Groups = 32;

    public override string Name => "PyTorch";

    public override string? Missing { get; } = Check(TorchLibrary.Load);

    public override void UseThreads(int count) => set_num_threads(count);

    public override Action Gemm(GemmShape shape)
    {
        Tensor x = Random([shape.M, shape.K], 1);
        Tensor w = Random([shape.N, shape.K], 2);
        return () => Run(() => functional.linear(x, w));
    }

    public override Action Conv2d(ConvShape shape)
    {
        Tensor x = Image(shape.Size, shape.I, 1);
        Tensor w = Owned(Random([shape.O, 3, 3, shape.I], 2).permute(0, 3, 1, 2));
        Tensor bias = Random([shape.O], 3);
        long[] ones = [1, 1];
        return () => Run(() => functional.conv2d(x, w, bias, strides: ones, padding: ones));
    }

    public override Action Attention(AttentionShape shape)
    {
        Tensor q = Heads(shape, 1);
        Tensor k = Heads(shape, 2);
        Tensor v = Heads(shape, 3);
        return () => Run(() => functional.scaled_dot_product_attention(q, k, v));
    }

    public override Action GroupNorm(ImageShape shape)
    {
        Tensor x = Image(shape.Size, shape.Channels, 1);
        Tensor scale = Random([shape.Channels], 2);
        return () => Run(() =>
        {
            using Tensor normal = functional.group_norm(x, Groups, scale, scale, 1e-5);
            return functional.silu(normal);
        });
    }

    public override Action LayerNorm(ImageShape shape)
    {
        Tensor x = Random([1, shape.Size * shape.Size, shape.Channels], 1);
        Tensor scale = Random([shape.Channels], 2);
        long[] axes = [shape.Channels];
        return () => Run(() => functional.layer_norm(x, axes, scale, scale, 1e-5));
    }

    /// <summary>In place, as ours: there is no other result to free.</summary>
    public override Action Add(ImageShape shape)
    {
        Tensor x = Image(shape.Size, shape.Channels, 1);
        Tensor y = Image(shape.Size, shape.Channels, 3);
        return () => y.add_(x);
    }

    static void Run(Func<Tensor> operation)
    {
        using IDisposable plain = no_grad();
        using Tensor result = operation();
    }

    /// <summary>The heads of tokens [1, L, C] as [1, heads, L, d], a view.</summary>
    Tensor Heads(AttentionShape shape, int seed)
    {
        (int heads, int length, int width) = shape;
        using Tensor tokens = Random([1, length, heads * width], seed).view(1, length, heads, width);
        return Owned(tokens.transpose(1, 2));
    }

    /// <summary>[1, C, H, W] to look at, [1, H, W, C] in memory.</summary>
    Tensor Image(int size, int channels, int seed) => Owned(Random([1, size, size, channels], seed).permute(0, 3, 1, 2));

    Tensor Random(long[] shape, int seed)
    {
        float[] numbers = Numbers.Random(shape.Aggregate(1L, (product, size) => product * size), seed);
        using Tensor flat = from_array(numbers);
        return Owned(flat.reshape(shape));
    }

    Tensor Owned(Tensor tensor)
    {
        AtClear(tensor.Dispose);
        return tensor;
    }
}
