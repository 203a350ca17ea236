using JeDi.Files.Safetensors;

namespace JeDi.Models;

/// <summary>What only the tiny autoencoder's structure has (<c>AutoencoderTiny</c>): levels in the order of the layers.</summary>
/// <param name="EncoderChannels">Width of each level, finest first.</param>
/// <param name="EncoderBlocks">Blocks of each.</param>
/// <param name="DecoderChannels">Width of each level, coarsest first.</param>
/// <param name="DecoderBlocks">Blocks of each.</param>
public sealed record TinyVaeConfig(int[] EncoderChannels, int[] EncoderBlocks, int[] DecoderChannels, int[] DecoderBlocks)
{
    const int MostLevels = 8;
    const int MostChannels = 1 << 14;
    const int MostBlocks = 64;

    /// <summary>Pixels of a tile's side in a tiled run.</summary>
    const int TilePixels = 512;

    /// <exception cref="CheckpointException">A setting is missing, wrong, or not supported.</exception>
    internal static VaeConfig Read(ConfigReader json)
    {
        json.Only("act_fn", "relu");
        json.Only("in_channels", "3");
        json.Only("out_channels", "3");
        json.Only("upsample_fn", "nearest");
        json.Only("upsampling_scaling_factor", "2");
        json.Only("shift_factor", "0");
        int[] blocks = json.Ints("num_decoder_blocks", 0, MostBlocks);
        if (blocks.Length is < 1 or > MostLevels)
        {
            throw json.Wrong("num_decoder_blocks", $"has {blocks.Length} levels; 1 to {MostLevels} are supported");
        }

        int levels = blocks.Length;
        var tiny = new TinyVaeConfig(
            json.Ints("encoder_block_out_channels", 1, MostChannels, levels),
            json.Ints("num_encoder_blocks", 0, MostBlocks, levels),
            json.Ints("decoder_block_out_channels", 1, MostChannels, levels),
            blocks);
        return Of(tiny, json.Int("latent_channels", 1, 64, 4), (float)json.Number("scaling_factor", 1e-6, 1e6, 1));
    }

    /// <summary>The structure that follows from the names and shapes of a file; null where it holds no tiny autoencoder.</summary>
    internal static VaeConfig? Of(SafetensorsSet file)
    {
        if (Levels(file, "encoder.layers.") is not ({ } encoder, { } encoderBlocks, int latent)
            || Levels(file, "decoder.layers.") is not ({ } decoder, { } decoderBlocks, 3) || decoder.Length != encoder.Length)
        {
            return null;
        }

        return Of(new TinyVaeConfig(encoder, encoderBlocks, decoder, decoderBlocks), latent, 1);
    }

    static VaeConfig Of(TinyVaeConfig tiny, int latentChannels, float scalingFactor) => new()
    {
        Channels = [.. tiny.DecoderChannels.Reverse()],
        Layers = 1,
        LatentChannels = latentChannels,
        Groups = 1,
        SampleSize = TilePixels,
        ScalingFactor = scalingFactor,
        MiddleAttention = false,
        QuantConv = false,
        PostQuantConv = false,
        Tiny = tiny,
    };

    /// <summary>Each convolution begins a level, but the last, whose outputs come third.</summary>
    static (int[] Channels, int[] Blocks, int Outputs)? Levels(SafetensorsSet file, string prefix)
    {
        var channels = new List<int>();
        var blocks = new List<int>();

        // Activations and doublings have numbers and no weights.
        for (int i = 0, missing = 0; missing < 2; i++)
        {
            if (file.TryFind($"{prefix}{i}.weight", out _, out SafetensorsEntry entry)
                && entry.Shape is [> 0 and <= MostChannels, _, _, _])
            {
                channels.Add((int)entry.Shape[0]);
                blocks.Add(0);
                missing = 0;
            }
            else if (file.TryFind($"{prefix}{i}.conv.0.weight", out _, out _) && blocks.Count > 0)
            {
                blocks[^1]++;
                missing = 0;
            }
            else
            {
                missing++;
            }
        }

        return channels.Count is > 1 and <= MostLevels + 1 ? ([.. channels[..^1]], [.. blocks[..^1]], channels[^1]) : null;
    }
}
