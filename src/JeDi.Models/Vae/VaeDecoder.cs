using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Latents, the scaling factor already divided out, to pictures around [-1, 1].</summary>
public sealed class VaeDecoder : ImageDecoder
{
    readonly Linear? postQuant;
    readonly Conv convIn;
    readonly VaeMiddle middle;
    readonly (ResBlock[] Blocks, Conv? Larger)[] levels;
    readonly GroupNorm normOut;
    readonly Conv convOut;

    /// <summary>Asks for its weights.</summary>
    public VaeDecoder(Weights weights, VaeConfig config)
        : base(config)
    {
        Weights w = weights.At("decoder");
        int latent = config.LatentChannels;
        int width = config.Channels[^1];
        postQuant = config.PostQuantConv ? new Linear(weights.At("post_quant_conv"), latent, latent, filter: true) : null;
        convIn = new Conv(w.At("conv_in"), latent, width);
        middle = new VaeMiddle(w.At("mid_block"), config);
        levels = new (ResBlock[], Conv?)[config.Channels.Length];
        for (int i = 0; i < levels.Length; i++)
        {
            Weights block = w.At("up_blocks").At(i);
            var blocks = new ResBlock[config.Layers + 1];
            for (int j = 0; j < blocks.Length; j++)
            {
                int inputs = width;
                width = config.Channels[^(i + 1)];
                blocks[j] = new ResBlock(block.At("resnets").At(j), inputs, width, config.Groups, VaeMiddle.NormEps);
            }

            ConvGeometry doubling = new(Upsample: true);
            bool last = i == levels.Length - 1;
            levels[i] = (blocks, last ? null : new Conv(block.At("upsamplers").At(0).At("conv"), width, width, geometry: doubling));
        }

        normOut = new GroupNorm(w.At("conv_norm_out"), width, config.Groups, VaeMiddle.NormEps, silu: true);
        convOut = new Conv(w.At("conv_out"), width, 3, final: true);
    }

    /// <inheritdoc/>
    protected override Tensor Whole(Ops ops, Tensor latent, Tensor into = default)
    {
        Tensor z = ops.Enter(latent);
        Tensor x = convIn.Run(ops, postQuant is null ? z : postQuant.Run(ops, z)); // [N, h, w, last channels]
        x = middle.Run(ops, x);
        foreach ((ResBlock[] blocks, Conv? larger) in levels)
        {
            foreach (ResBlock block in blocks)
            {
                x = block.Step(ops, x, into: block == blocks[0] ? default : x); // [N, h, w, channels of the level]
            }

            x = larger is null ? x : larger.Run(ops, x); // [N, 2h, 2w, C]
        }

        return convOut.Run(ops, normOut.Run(ops, x), into: into); // [N, 8h, 8w, 3]
    }
}
