using JeDi.Files.Safetensors;
using JeDi.Files.Tokenizer;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Evaluation;

/// <summary>CLIP's encoder for texts with its projection into the space that it shares with pictures.</summary>
public sealed class TextEncoder
{
    readonly Device device;
    readonly ClipTokenizer tokenizer;
    readonly ClipText network;
    readonly Linear projection;

    TextEncoder(Device device, ClipTokenizer tokenizer, (ClipText Network, Linear Projection) loaded) =>
        (this.device, this.tokenizer, network, projection) = (device, tokenizer, loaded.Network, loaded.Projection);

    /// <summary>CLIP in transformers' form: a folder with <c>config.json</c>, <c>model.safetensors</c> and the tokenizer's files.</summary>
    /// <param name="device">Where.</param>
    /// <param name="folder">The model's.</param>
    /// <param name="tokenizer">Where the tokenizer is if the folder has none.</param>
    /// <exception cref="Exception">Files are missing, damaged or of another model: one line that says which.</exception>
    public static TextEncoder Open(Device device, string folder, string? tokenizer = null)
    {
        ConfigReader json = EncoderFolder.Config(folder);
        var config = ClipTextConfig.Read(json);
        int width = json.Int("projection_dim", 1, 1 << 14, 512);
        bool own = File.Exists(Path.Combine(folder, "vocab.json")) || tokenizer is null;
        using SafetensorsSet files = EncoderFolder.Weights(folder);
        return new TextEncoder(device, ClipTokenizer.Open(own ? folder : tokenizer!), Weights.Load(
            device,
            new SafetensorsSource(files, null, "CLIP text encoder"),
            w => (new ClipText(w, config), new Linear(w.At("text_projection"), config.Width, width, bias: false, final: true))));
    }

    /// <summary>The text's features, of unit length: the projected state of its first end token.</summary>
    public double[] Encode(string text)
    {
        int[] ids = tokenizer.Encode(text).Ids;
        var arena = new Arena(device);
        try
        {
            var ops = new Ops(device, arena);
            Tensor states = network.Encode(ops, ops.From<int>([1, ids.Length], ids));
            int last = Array.IndexOf(ids, tokenizer.Frame.End);
            int width = network.Config.Width;
            Tensor end = ops.From<float>([1, width], device.ToArray(states).AsSpan(last * width, width));
            return Features.Unit(device.ToArray(projection.Run(ops, end)));
        }
        finally
        {
            arena.Release();
        }
    }
}
