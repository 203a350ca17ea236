using System.Text.Json.Nodes;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Golden;

namespace JeDi.Tests.Models;

/// <summary>Golden tiny autoencoders: the latent of a picture, and the picture of a latent.</summary>
public static class TinyVaeCases
{
    public static void Run(GoldenCase c)
    {
        JsonObject json = JsonNode.Parse(c.Config.GetRawText())!.AsObject();
        json["_class_name"] = "AutoencoderTiny";
        VaeConfig config = VaeConfig.Read(ConfigReader.Parse(json.ToJsonString(), "golden config"));
        Assert.That((config.Scale, config.ScalingFactor), Is.EqualTo((8, 1f)));

        // The generator's names of weights begin with the recipe's "w:" themselves.
        var source = new RecipeSource($"{c.File.RecipePrefix}w:{c.Json.GetProperty("weight_prefix").GetString()}");
        var ops = new Ops(c.Device, new Arena(c.Device));
        Shape expected = Stored(c, "decoded");
        Shape latent = Stored(c, "latent");
        Tensor pixels = ops.From<float>([1, expected[2], expected[3], 3], c.InputNhwc("image", expected, 1));
        Tensor encoded = Weights.Load(c.Device, source, w => ImageEncoder.Of(w, config)).Latent(ops, pixels);
        c.ExpectNhwc($"{c.Tag}/latent", encoded, c.ModelTolerance($"{c.Tag}/latent"));
        Tensor z = ops.From<float>([1, latent[2], latent[3], latent[1]], c.InputNhwc("z", latent));
        Tensor decoded = Weights.Load(c.Device, source, w => ImageDecoder.Of(w, config)).Decode(ops, z);
        c.ExpectNhwc($"{c.Tag}/decoded", decoded, c.ModelTolerance($"{c.Tag}/decoded"));
        ops.Arena.Release();
    }

    static Shape Stored(GoldenCase c, string name) => Shape.Create([.. c.Expected($"{c.Tag}/{name}").Shape.Select(size => (int)size)]);
}
