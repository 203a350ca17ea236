using JeDi.Files.Images;
using JeDi.Files.Safetensors;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Evaluation;

/// <summary>An encoder that turns pictures into features of unit length: CLIP's for pictures, or DINO.</summary>
public sealed class PictureEncoder
{
    readonly Device device;
    readonly Preparation preparation;
    readonly Func<Ops, Tensor, Tensor> encode;

    PictureEncoder(Device device, Preparation preparation, Func<Ops, Tensor, Tensor> encode) =>
        (this.device, this.preparation, this.encode) = (device, preparation, encode);

    /// <summary>CLIP in transformers' form: a folder with <c>config.json</c> and <c>model.safetensors</c>.</summary>
    /// <exception cref="Exception">Files are missing, damaged or of another model: one line that says which.</exception>
    public static PictureEncoder OpenClip(Device device, string folder)
    {
        var config = VisionConfig.ReadClip(EncoderFolder.Config(folder));
        using SafetensorsSet files = EncoderFolder.Weights(folder);
        ClipVision network = JeDi.Tensors.Weights.Load(
            device, new SafetensorsSource(files, null, "CLIP image encoder"), w => new ClipVision(w, config));
        return new PictureEncoder(device, EncoderFolder.Preparation(folder, Preparation.Clip(config.ImageSize)), network.Encode);
    }

    /// <summary>DINO in transformers' form; the names may have <c>vit.</c> in front.</summary>
    /// <exception cref="Exception">Files are missing, damaged or of another model: one line that says which.</exception>
    public static PictureEncoder OpenDino(Device device, string folder)
    {
        var config = VisionConfig.ReadDino(EncoderFolder.Config(folder));
        using SafetensorsSet files = EncoderFolder.Weights(folder);
        Dino network = JeDi.Tensors.Weights.Load(
            device, new SafetensorsSource(files, name => [name, $"vit.{name}"], "DINO encoder"), w => new Dino(w, config));
        return new PictureEncoder(device, EncoderFolder.Preparation(folder, Preparation.Dino(config.ImageSize)), network.Encode);
    }

    /// <summary>The picture's features, of unit length; what a mask does not show is black.</summary>
    public double[] Encode(PixelImage picture, PixelImage? mask = null)
    {
        var arena = new Arena(device);
        try
        {
            var ops = new Ops(device, arena);
            int side = preparation.Crop;
            return Features.Unit(device.ToArray(encode(ops, ops.From<float>([1, side, side, 3], preparation.Run(picture, mask)))));
        }
        finally
        {
            arena.Release();
        }
    }
}
