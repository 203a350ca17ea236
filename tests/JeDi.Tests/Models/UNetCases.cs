using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Golden;

namespace JeDi.Tests.Models;

/// <summary>Golden U-Nets: the predictions of all images of coupled sets.</summary>
public static class UNetCases
{
    public static void Run(GoldenCase c)
    {
        UNetConfig config = Config(c.Config, c.Int("in_channels"));
        var network = Weights.Load(c.Device, new RecipeSource(c.WeightPrefix), w => new UNet(w, config));
        int sets = c.Int("sets");
        int images = sets * c.Int("images");
        Shape x = [images, config.InChannels, c.Int("height"), c.Int("width")];
        Shape context = [images, c.Int("context_len"), config.ContextWidth];
        float[] timesteps = [.. c.Json.GetProperty("timesteps").EnumerateArray().Select(t => t.GetSingle())];
        var ops = new Ops(c.Device, new Arena(c.Device));
        int[] sizes = [.. Enumerable.Repeat(images / sets, sets)];
        var batch = new JointBatch(ops, sizes, [.. Enumerable.Range(0, images)])
        {
            KeyBias = c.Json.TryGetProperty("image_bias", out JsonElement bias) ? [ops.From<float>([images], Biases(bias))] : [],
        };
        TextKeys texts = network.EncodeText(ops, ops.From<float>(context, c.Input("context", context)));
        Tensor input = ops.From<float>([images, x[2], x[3], x[1]], c.InputNhwc("x", x));
        Tensor y = network.Run(ops, input, ops.From<float>([images], timesteps), texts, batch);
        c.ExpectNhwc($"{c.Tag}/y", y, c.ModelTolerance($"{c.Tag}/y"));
        ops.Arena.Release();
    }

    /// <summary>Golden configs name what differs from SD 1.x; attention is at all levels but the coarsest.</summary>
    public static UNetConfig Config(JsonElement config, int channels)
    {
        JsonObject json = JsonObject.Create(config)!;
        int levels = json["block_out_channels"]!.AsArray().Count;
        json["in_channels"] = channels;
        json["down_block_types"] = new JsonArray([.. Enumerable.Range(0, levels).Select(i => Type("Down", i < levels - 1))]);
        json["up_block_types"] = new JsonArray([.. Enumerable.Range(0, levels).Select(i => Type("Up", i > 0))]);
        return UNetConfig.Read(ConfigReader.Parse(json.ToJsonString(), "golden config"));
    }

    static JsonNode Type(string way, bool attention) => $"{(attention ? "CrossAttn" : "")}{way}Block2D";

    static float[] Biases(JsonElement rows) =>
    [
        .. rows.EnumerateArray().SelectMany(row => row.EnumerateArray())
            .Select(value => value.ValueKind == JsonValueKind.String ? float.NegativeInfinity : value.GetSingle()),
    ];
}
