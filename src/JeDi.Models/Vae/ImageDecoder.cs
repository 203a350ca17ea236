using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Latents, the scaling factor already divided out, to pictures around [-1, 1].</summary>
public abstract class ImageDecoder(VaeConfig config)
{
    /// <summary>Its structure.</summary>
    public VaeConfig Config { get; } = config;

    /// <summary>The decoder of such a structure.</summary>
    public static ImageDecoder Of(Weights weights, VaeConfig config) =>
        config.Tiny is null ? new VaeDecoder(weights, config) : new TinyDecoder(weights, config, config.Tiny);

    /// <summary>F32 [N, h, w, 4] -> F32 [N, 8h, 8w, 3].</summary>
    public Tensor Decode(Ops ops, Tensor latent, VaeTiling? tiling = null, Tensor into = default)
    {
        int scale = Config.Scale;
        Shape shape = [latent.Shape[0], latent.Shape[1] * scale, latent.Shape[2] * scale, 3];
        Tensor image = into.Exists ? into : ops.Room(shape, final: true);
        using ArenaScope scope = ops.Scope();
        if (tiling is not null && tiling.Divides(latent.Shape[1], latent.Shape[2]))
        {
            ops.Device.Write<float>(image, tiling.Run(ops, latent, shape, (tileOps, tile) => Whole(tileOps, tile)));
            return image;
        }

        return Whole(ops, latent, image);
    }

    /// <summary>The same without tiles.</summary>
    protected abstract Tensor Whole(Ops ops, Tensor latent, Tensor into = default);
}
