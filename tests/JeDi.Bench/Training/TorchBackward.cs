using JeDi.Bench.Peers;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace JeDi.Bench.Training;

/// <summary>
/// PyTorch's autograd through TorchSharp: the graph of one operation is recorded once, what is timed goes back through it for all of its
/// inputs. Images are channels-last. It makes its results anew at each call, as it does for whoever uses it.
/// </summary>
sealed class TorchBackward : IDisposable
{
    const int Groups = 16;

    readonly List<Tensor> owned = [];

    public TorchBackward(int threads)
    {
        TorchLibrary.Load();
        set_num_threads(threads);
    }

    public Action Gemm(ProductShape shape)
    {
        Tensor x = Leaf([shape.M, shape.K], 1);
        Tensor w = Leaf([shape.N, shape.K], 3);
        Tensor b = Leaf([shape.N], 4);
        return Back(functional.linear(x, w, b), [shape.M, shape.N], x, w, b);
    }

    public Action Conv2d(ConvolutionShape shape, bool data, bool weight)
    {
        Tensor x = Image(shape.Images, shape.Size, shape.I, 1);
        Tensor w = Owned(Random([shape.O, 3, 3, shape.I], 3).permute(0, 3, 1, 2).detach()).requires_grad_();
        Tensor b = Leaf([shape.O], 4);
        Tensor input = shape.Upsample ? Owned(functional.interpolate(x, scale_factor: [2, 2])) : x;
        Tensor y = functional.conv2d(input, w, b, strides: [shape.Stride, shape.Stride], padding: [1, 1]);
        Tensor dy = Image(shape.Images, shape.OutputSize, shape.O, 2);
        Tensor[] inputs = [.. (ReadOnlySpan<Tensor>)(data && !shape.IsFirst ? [x] : []), .. (ReadOnlySpan<Tensor>)(weight ? [w, b] : [])];
        return Back(y, dy, inputs);
    }

    public Action Attention(SetsShape shape)
    {
        Tensor q = Heads(shape, 1);
        Tensor k = Heads(shape, 2);
        Tensor v = Heads(shape, 3);
        Tensor dy = Heads(shape, 4);
        return Back(functional.scaled_dot_product_attention(q, k, v), dy, q, k, v);
    }

    public Action GroupNorm(NormShape shape)
    {
        Tensor x = Image(shape.Images, shape.Size, shape.Channels, 1);
        Tensor scale = Leaf([shape.Channels], 3);
        Tensor shift = Leaf([shape.Channels], 3);
        Tensor y = functional.silu(Owned(functional.group_norm(x, Groups, scale, shift, 1e-5)));
        return Back(y, Image(shape.Images, shape.Size, shape.Channels, 2), x, scale, shift);
    }

    public Action LayerNorm(NormShape shape)
    {
        Tensor x = Leaf([shape.Images, shape.Size * shape.Size, shape.Channels], 1);
        Tensor scale = Leaf([shape.Channels], 3);
        Tensor shift = Leaf([shape.Channels], 3);
        return Back(functional.layer_norm(x, [shape.Channels], scale, shift, 1e-5), x.shape, x, scale, shift);
    }

    /// <summary>As diffusers has it: [h, g] in two halves, h gelu(g).</summary>
    public Action Geglu(NormShape shape)
    {
        Tensor x = Leaf([shape.Images, shape.Size * shape.Size, 8 * shape.Channels], 1);
        Tensor[] halves = x.chunk(2, -1);
        Tensor y = halves[0] * Owned(functional.gelu(halves[1]));
        return Back(y, y.shape, x);
    }

    public void Clear()
    {
        owned.ForEach(tensor => tensor.Dispose());
        owned.Clear();
    }

    public void Dispose() => Clear();

    Action Back(Tensor y, long[] shape, params Tensor[] inputs) => Back(y, Random(shape, 2), inputs);

    Action Back(Tensor y, Tensor dy, params Tensor[] inputs)
    {
        Owned(y);
        Tensor gradient = Owned(dy.detach());
        return () =>
        {
            foreach (Tensor result in autograd.grad([y], inputs, [gradient], retain_graph: true))
            {
                result.Dispose();
            }
        };
    }

    Tensor Leaf(long[] shape, int seed) => Random(shape, seed).requires_grad_();

    /// <summary>The heads of tokens [sets, L, C] as [sets, heads, L, d].</summary>
    Tensor Heads(SetsShape shape, int seed)
    {
        Tensor tokens = Random([shape.Sets, shape.Length, shape.Heads * shape.Width], seed);
        return Owned(tokens.view(shape.Sets, shape.Length, shape.Heads, shape.Width).transpose(1, 2).detach()).requires_grad_();
    }

    /// <summary>[B, C, H, W] to look at, [B, H, W, C] in memory.</summary>
    Tensor Image(int images, int size, int channels, int seed) =>
        Owned(Random([images, size, size, channels], seed).permute(0, 3, 1, 2).detach()).requires_grad_();

    Tensor Random(long[] shape, int seed)
    {
        float[] numbers = Numbers.Random(shape.Aggregate(1L, (product, size) => product * size), seed);
        using Tensor flat = from_array(numbers);
        return Owned(flat.reshape(shape));
    }

    Tensor Owned(Tensor tensor)
    {
        owned.Add(tensor);
        return tensor;
    }
}
