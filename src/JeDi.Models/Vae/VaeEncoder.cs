using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Pictures in [-1, 1] to the mean and log-variance of their latents, the scaling factor not applied.</summary>
public sealed class VaeEncoder : ImageEncoder
{
    readonly Conv convIn;
    readonly (ResBlock[] Blocks, Conv? Smaller)[] levels;
    readonly VaeMiddle middle;
    readonly GroupNorm normOut;
    readonly Conv convOut;
    readonly Linear? quant;

    /// <summary>Asks for its weights.</summary>
    public VaeEncoder(Weights weights, VaeConfig config)
        : base(config)
    {
        Weights w = weights.At("encoder");
        int[] channels = config.Channels;
        int width = channels[0];
        convIn = new Conv(w.At("conv_in"), 3, width);
        levels = new (ResBlock[], Conv?)[channels.Length];
        for (int level = 0; level < levels.Length; level++)
        {
            Weights block = w.At("down_blocks").At(level);
            var blocks = new ResBlock[config.Layers];
            for (int i = 0; i < blocks.Length; i++)
            {
                blocks[i] = new ResBlock(block.At("resnets").At(i), width, width = channels[level], config.Groups, VaeMiddle.NormEps);
            }

            ConvGeometry halving = new(Stride: 2, Padding.RightBottom);
            bool last = level == levels.Length - 1;
            levels[level] = (blocks, last ? null : new Conv(block.At("downsamplers").At(0).At("conv"), width, width, geometry: halving));
        }

        middle = new VaeMiddle(w.At("mid_block"), config);
        normOut = new GroupNorm(w.At("conv_norm_out"), width, config.Groups, VaeMiddle.NormEps, silu: true);
        convOut = new Conv(w.At("conv_out"), width, 2 * config.LatentChannels, final: !config.QuantConv);
        quant = config.QuantConv
            ? new Linear(weights.At("quant_conv"), 2 * config.LatentChannels, 2 * config.LatentChannels, filter: true, final: true)
            : null;
    }

    /// <inheritdoc/>
    public override Tensor Latent(Ops ops, Tensor image, VaeTiling? tiling = null) => Encode(ops, image, tiling).Mean;

    /// <summary>F32 [N, H, W, 3], H and W multiples of 8 -> mean and log-variance, each F32 [N, H/8, W/8, 4] in the arena.</summary>
    public (Tensor Mean, Tensor LogVariance) Encode(Ops ops, Tensor image, VaeTiling? tiling = null)
    {
        Shape shape = LatentShape(image);
        Tensor mean = ops.Room(shape, final: true);
        Tensor logVariance = ops.Room(shape, final: true);
        using ArenaScope scope = ops.Scope();
        Shape both = shape.WithLast(2 * Config.LatentChannels);
        Tensor moments = tiling is null || !tiling.Divides(shape[1], shape[2])
            ? Moments(ops, image)
            : ops.From<float>(both, tiling.Run(ops, image, both, Moments)); // [N, H/8, W/8, 8]
        return ops.SplitMoments(moments, mean, logVariance);
    }

    /// <summary>F32 [N, H, W, 3] -> F32 [N, H/8, W/8, 8]: means, then log-variances, not clamped.</summary>
    Tensor Moments(Ops ops, Tensor image)
    {
        Tensor x = convIn.Run(ops, ops.Enter(image)); // [N, H, W, channels 0]
        foreach ((ResBlock[] blocks, Conv? smaller) in levels)
        {
            foreach (ResBlock block in blocks)
            {
                x = block.Step(ops, x, into: block == blocks[0] ? default : x); // [N, h, w, channels of the level]
            }

            x = smaller is null ? x : smaller.Run(ops, x); // [N, h / 2, w / 2, C]
        }

        x = middle.Run(ops, x);
        x = convOut.Run(ops, normOut.Run(ops, x)); // [N, H/8, W/8, 8]
        return quant is null ? x : quant.Run(ops, x);
    }
}
