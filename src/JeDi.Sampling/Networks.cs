using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>The networks of a model, on one device.</summary>
public sealed record Networks(ClipText Text, UNet UNet, ImageEncoder Encoder, ImageDecoder Decoder)
{
    /// <summary>In which element types they are computed.</summary>
    public Precision Precision { get; init; }

    /// <summary>Another decoder for previews; null: that of pictures.</summary>
    public ImageDecoder? Preview { get; init; }

    /// <summary>Reads all weights of a checkpoint to the device (on a planning device: counts them).</summary>
    /// <param name="device">Where they will be.</param>
    /// <param name="checkpoint">Their files.</param>
    /// <param name="keep">Type that matrices and filters are kept in; null: as they are stored.</param>
    /// <param name="precision">Types that they are computed and kept in, on a device that knows more than F32.</param>
    /// <exception cref="WeightException">A tensor is missing or has the wrong shape.</exception>
    public static Networks Load(Device device, Checkpoint checkpoint, DType? keep = null, Precision? precision = null)
    {
        using var loader = new NetworkLoader(device, checkpoint, keep, precision);
        loader.UseAll();
        return loader.Networks;
    }
}

/// <summary>Element types of activations: in text encoder and U-Net, and in the autoencoder, whose numbers outgrow F16.</summary>
public readonly record struct Precision(DType Network = DType.F32, DType Autoencoder = DType.F32);
