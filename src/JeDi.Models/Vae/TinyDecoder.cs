using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// The decoder of the tiny autoencoder (TAESD): 3 tanh(z / 3), then 3 x 3 convolutions, ReLU and doublings alone; y of its last one is the
/// picture in [0, 1]. Names count the activations and doublings, which have no weights.
/// </summary>
sealed class TinyDecoder : ImageDecoder
{
    /// <summary>Latents beyond it are brought back smoothly.</summary>
    const float Limit = 3;

    readonly Conv first;
    readonly (TinyBlock[] Blocks, Conv Next)[] levels;

    /// <summary>Asks for its weights.</summary>
    public TinyDecoder(Weights weights, VaeConfig config, TinyVaeConfig tiny)
        : base(config)
    {
        Weights w = weights.At("decoder").At("layers");
        int layer = 0;
        first = new Conv(w.At(layer), config.LatentChannels, tiny.DecoderChannels[0], relu: true);
        layer += 2;
        levels = new (TinyBlock[], Conv)[tiny.DecoderBlocks.Length];
        for (int i = 0; i < levels.Length; i++)
        {
            int width = tiny.DecoderChannels[i];
            bool last = i == levels.Length - 1;
            TinyBlock[] blocks = [.. Enumerable.Range(0, tiny.DecoderBlocks[i]).Select(_ => new TinyBlock(w.At(layer++), width))];
            Conv next = last
                ? new Conv(w.At(layer), width, 3, final: true)
                : new Conv(w.At(layer + 1), width, tiny.DecoderChannels[i + 1], geometry: new(Upsample: true), bias: false);
            layer += 2;
            levels[i] = (blocks, next);
        }
    }

    /// <inheritdoc/>
    protected override Tensor Whole(Ops ops, Tensor latent, Tensor into = default)
    {
        Tensor x = first.Run(ops, ops.Enter(latent, Limit)); // [N, h, w, channels 0]
        foreach ((TinyBlock[] blocks, Conv next) in levels)
        {
            foreach (TinyBlock block in blocks)
            {
                x = block.Run(ops, x); // [N, h, w, channels of the level]
            }

            x = next.Run(ops, x, into: next == levels[^1].Next ? into : default); // [N, 2h, 2w, C]; at the end [N, 8h, 8w, 3]
        }

        // 2 y - 1
        ops.Combine(x, ops.From<float>([1], [2]), x);
        return ops.Add(x, ops.From<float>([1], [-1]), into: x);
    }
}
