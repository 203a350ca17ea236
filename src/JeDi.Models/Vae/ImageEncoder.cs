using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Pictures in [-1, 1] to their latents, the scaling factor not applied.</summary>
public abstract class ImageEncoder(VaeConfig config)
{
    /// <summary>Its structure.</summary>
    public VaeConfig Config { get; } = config;

    /// <summary>The encoder of such a structure.</summary>
    public static ImageEncoder Of(Weights weights, VaeConfig config) =>
        config.Tiny is null ? new VaeEncoder(weights, config) : new TinyEncoder(weights, config, config.Tiny);

    /// <summary>F32 [N, H, W, 3], H and W multiples of 8 -> the latent, or the mean of its distribution, F32 [N, H/8, W/8, 4].</summary>
    public abstract Tensor Latent(Ops ops, Tensor image, VaeTiling? tiling = null);

    /// <summary>Shape of the latent of such a picture.</summary>
    /// <exception cref="ArgumentException">It is no picture, or not a whole number of locations.</exception>
    protected Shape LatentShape(Tensor image)
    {
        int scale = Config.Scale;
        return image.Shape[3] == 3 && image.Shape[1] % scale == 0 && image.Shape[2] % scale == 0
            ? [image.Shape[0], image.Shape[1] / scale, image.Shape[2] / scale, Config.LatentChannels]
            : throw new ArgumentException($"the encoder takes [N, H, W, 3], H and W multiples of {scale}; got {image.Shape}");
    }
}
