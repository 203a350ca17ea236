using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>The encoder of the tiny autoencoder (TAESD): 3 x 3 convolutions and ReLU alone, of the picture in [0, 1].</summary>
sealed class TinyEncoder : ImageEncoder
{
    readonly (Conv Enter, TinyBlock[] Blocks)[] levels;
    readonly Conv last;

    /// <summary>Asks for its weights.</summary>
    public TinyEncoder(Weights weights, VaeConfig config, TinyVaeConfig tiny)
        : base(config)
    {
        Weights w = weights.At("encoder").At("layers");
        int layer = 0;
        levels = new (Conv, TinyBlock[])[tiny.EncoderBlocks.Length];
        int inputs = 3;
        for (int i = 0; i < levels.Length; i++)
        {
            int width = tiny.EncoderChannels[i];
            Conv enter = new(w.At(layer++), inputs, width, geometry: new(Stride: i == 0 ? 1 : 2), bias: i == 0);
            levels[i] = (enter, [.. Enumerable.Range(0, tiny.EncoderBlocks[i]).Select(_ => new TinyBlock(w.At(layer++), width))]);
            inputs = width;
        }

        last = new Conv(w.At(layer), inputs, config.LatentChannels, final: true);
    }

    /// <inheritdoc/>
    public override Tensor Latent(Ops ops, Tensor image, VaeTiling? tiling = null)
    {
        Shape shape = LatentShape(image);
        Tensor latent = ops.Room(shape, final: true);
        using ArenaScope scope = ops.Scope();
        if (tiling is not null && tiling.Divides(shape[1], shape[2]))
        {
            ops.Device.Write<float>(latent, tiling.Run(ops, image, shape, (tileOps, tile) => Whole(tileOps, tile, default)));
            return latent;
        }

        return Whole(ops, image, latent);
    }

    Tensor Whole(Ops ops, Tensor image, Tensor into)
    {
        // (x + 1) / 2
        Tensor half = ops.From<float>([1], [0.5f]);
        Tensor x = ops.Room(image.Shape, final: true);
        ops.Combine(x, half, image);
        x = ops.Enter(ops.Add(x, half, into: x)); // [N, H, W, 3]
        foreach ((Conv enter, TinyBlock[] blocks) in levels)
        {
            x = enter.Run(ops, x); // [N, h / 2, w / 2, channels of the level]
            foreach (TinyBlock block in blocks)
            {
                x = block.Run(ops, x);
            }
        }

        return last.Run(ops, x, into: into); // [N, H/8, W/8, 4]
    }
}
