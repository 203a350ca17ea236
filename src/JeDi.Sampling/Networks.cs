using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>The networks of a model, on one device.</summary>
public sealed record Networks(ClipText Text, UNet UNet, VaeEncoder Encoder, VaeDecoder Decoder)
{
    /// <summary>In which element types they are computed.</summary>
    public Precision Precision { get; init; }

    /// <summary>Reads all weights of a checkpoint to the device (on a planning device: counts them).</summary>
    /// <param name="device">Where they will be.</param>
    /// <param name="checkpoint">Their files.</param>
    /// <param name="keep">Type that matrices and filters are kept in; null: as they are stored.</param>
    /// <param name="precision">Types that they are computed and kept in, on a device that knows more than F32.</param>
    /// <exception cref="WeightException">A tensor is missing or has the wrong shape.</exception>
    public static Networks Load(Device device, Checkpoint checkpoint, DType? keep = null, Precision? precision = null)
    {
        Weights text = Of(Component.TextEncoder);
        Weights unet = Of(Component.UNet);
        Weights vae = Of(Component.Vae);
        var networks = new Networks(
            new ClipText(text, checkpoint.Text),
            new UNet(unet, checkpoint.UNet),
            new VaeEncoder(vae, checkpoint.Vae),
            new VaeDecoder(vae, checkpoint.Vae)) { Precision = precision ?? default };
        Weights.Load(device, [text, unet, vae]);
        return networks;

        Weights Of(Component component) => new(device, checkpoint.Source(component), precision is null ? keep
            : component == Component.Vae ? precision.Value.Autoencoder
            : precision.Value.Network);
    }
}

/// <summary>Element types of activations: in text encoder and U-Net, and in the autoencoder, whose numbers outgrow F16.</summary>
public readonly record struct Precision(DType Network = DType.F32, DType Autoencoder = DType.F32);
