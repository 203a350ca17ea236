using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Golden;

namespace JeDi.Tests.Models;

/// <summary>Golden autoencoders: mean and log-variance of a picture, and the picture of a latent.</summary>
public static class VaeCases
{
    public static void Run(GoldenCase c)
    {
        VaeConfig config = VaeConfig.Read(ConfigReader.Parse(c.Config.GetRawText(), "golden config"));
        var source = new RecipeSource(c.WeightPrefix);
        var ops = new Ops(c.Device, new Arena(c.Device));
        Shape image = [1, 3, c.Int("height"), c.Int("width")];
        Shape latent = [1, config.LatentChannels, image[2] / config.Scale, image[3] / config.Scale];
        Tensor pixels = ops.From<float>([1, image[2], image[3], 3], c.InputNhwc("image", image, 1));
        (Tensor mean, Tensor logVariance) = Weights.Load(c.Device, source, w => new VaeEncoder(w, config)).Encode(ops, pixels);
        c.ExpectNhwc($"{c.Tag}/mean", mean, c.ModelTolerance($"{c.Tag}/mean"));
        c.ExpectNhwc($"{c.Tag}/logvar", logVariance, c.ModelTolerance($"{c.Tag}/logvar"));
        Tensor z = ops.From<float>([1, latent[2], latent[3], latent[1]], c.InputNhwc("latent", latent));
        Tensor decoded = Weights.Load(c.Device, source, w => new VaeDecoder(w, config)).Decode(ops, z);
        if (c.Has($"{c.Tag}/decoded"))
        {
            c.ExpectNhwc($"{c.Tag}/decoded", decoded, c.ModelTolerance($"{c.Tag}/decoded"));
        }
        else
        {
            ExpectLarge(c, c.Device.ToArray(decoded), image);
        }

        ops.Arena.Release();
    }

    /// <summary>Of large pictures the file holds every sixteenth pixel, and the norm and one projection of the whole.</summary>
    static void ExpectLarge(GoldenCase c, float[] nhwc, Shape image)
    {
        float[] picture = Layouts.NhwcToNchw(nhwc, 1, 3, image[2] * image[3]);
        float[] some =
        [
            .. Enumerable.Range(0, picture.Length)
                .Where(i => i % image[3] % 16 == 0 && i / image[3] % image[2] % 16 == 0)
                .Select(i => picture[i]),
        ];
        c.Expect($"{c.Tag}/image_every_16th", some, c.ModelTolerance($"{c.Tag}/image_every_16th"));
        ulong hash = Recipe.Hash($"proj:{c.Tag}");
        double norm = Math.Sqrt(picture.Sum(value => (double)value * value));
        double projection = picture.Select((value, i) => value * Recipe.Value(hash, i)).Sum();
        c.Expect($"{c.Tag}/image_digest", [(float)norm, (float)projection], c.ModelTolerance($"{c.Tag}/image_digest"));
    }
}
