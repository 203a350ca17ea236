using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Golden;

namespace JeDi.Tests.Models;

/// <summary>Golden CLIP text, CLIP vision and DINO.</summary>
public static class EncoderCases
{
    public static void ClipText(GoldenCase c)
    {
        ClipTextConfig config = ClipTextConfig.Read(Config(c));
        ClipText network = Load(c, w => new ClipText(w, config));
        int[] ids = [.. c.Json.GetProperty("ids").EnumerateArray().SelectMany(row => row.EnumerateArray()).Select(id => id.GetInt32())];
        var ops = new Ops(c.Device, new Arena(c.Device));
        Tensor tokens = ops.From<int>([ids.Length / config.Positions, config.Positions], ids);
        Expect(c, "last_hidden_state", network.Encode(ops, tokens));
        Expect(c, "penultimate_hidden_state", network.Penultimate(ops, tokens));
        ops.Arena.Release();
    }

    public static void ClipVision(GoldenCase c)
    {
        VisionConfig config = VisionConfig.ReadClip(Config(c));
        var ops = new Ops(c.Device, new Arena(c.Device));
        Expect(c, "image_embeds", Load(c, w => new ClipVision(w, config)).Encode(ops, Pixels(c, ops, config)));
        ops.Arena.Release();
    }

    public static void Dino(GoldenCase c)
    {
        VisionConfig config = VisionConfig.ReadDino(Config(c));
        var ops = new Ops(c.Device, new Arena(c.Device));
        Expect(c, "cls", Load(c, w => new Dino(w, config)).Encode(ops, Pixels(c, ops, config)));
        ops.Arena.Release();
    }

    static ConfigReader Config(GoldenCase c) => ConfigReader.Parse(c.Config.GetRawText(), "golden config");

    static T Load<T>(GoldenCase c, Func<Weights, T> make) => Weights.Load(c.Device, new RecipeSource(c.WeightPrefix), make);

    /// <summary>Two pictures.</summary>
    static Tensor Pixels(GoldenCase c, Ops ops, VisionConfig config)
    {
        int size = config.ImageSize;
        return ops.From<float>([2, size, size, 3], c.InputNhwc("pixels", [2, 3, size, size]));
    }

    static void Expect(GoldenCase c, string what, Tensor actual) =>
        c.Expect($"{c.Tag}/{what}", c.Device.ToArray(actual), c.ModelTolerance($"{c.Tag}/{what}"));
}
