using System.Text.Json;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Tests.Golden;

/// <summary>Token ids and reference pixels to decoded pixels, on the tiny networks.</summary>
static class PipelineCases
{
    public static void Run(GoldenCase c)
    {
        Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
        int scale = model.Vae.Scale;
        Shape reference = [c.Int("references"), model.Vae.LatentChannels, c.Int("height") / scale, c.Int("width") / scale];
        GuidanceMode mode = Guidance.Parse(Text(c, "guidance"));
        var shape = new JointShape(1, c.Int("references"), c.Int("targets"), reference[2], reference[3], mode);
        SamplerPlan plan = Sampler.Plan(Text(c, "sampler"), NoiseSchedule.StableDiffusion, c.Int("steps"));
        var networks = new Networks(
            Load(c, "text_encoder", w => new ClipText(w, model.Text)),
            Load(c, "unet", w => new UNet(w, model.UNet)),
            Load(c, "vae", w => new VaeEncoder(w, model.Vae)),
            Load(c, "vae", w => new VaeDecoder(w, model.Vae)));
        using var pipeline = new JointPipeline(networks, new Arena(c.Device), shape, plan);

        float[] pixels = c.InputNhwc("reference_pixels", [shape.References, 3, c.Int("height"), c.Int("width")], scale: 1);
        int picture = 3 * c.Int("height") * c.Int("width");
        float[] nullText = pipeline.EncodeTexts(Ids(c.Json.GetProperty("null_ids")));
        float[][] texts = [.. c.Json.GetProperty("ids").EnumerateArray().Select(ids => pipeline.EncodeTexts(Ids(ids)))];
        pipeline.Start(new JointInputs
        {
            InitialNoise = c.InputNhwc("init", reference.WithFirst(shape.SetImages))[(int)reference.Count..],
            Texts = [.. shape.Texts(model.UNet).SelectMany(entry => entry.Kind == TextKind.Own ? texts[entry.Image] : nullText)],
            References = [.. pixels.Chunk(picture).SelectMany(image => pipeline.EncodeImage(image))],
            ReferenceNoise = c.InputNhwc("reference_noise", reference),
            TextScale = c.Json.GetProperty("text_scale").GetDouble(),
            ImageScale = c.Json.GetProperty("image_scale").GetDouble(),
        });
        for (int i = 0; i < pipeline.Evaluations; i++)
        {
            pipeline.Step();
        }

        string latentsKey = $"{c.Tag}/latents";
        string pixelsKey = $"{c.Tag}/pixels";
        float[][] latents = [.. pipeline.Latents().Chunk((int)reference.WithFirst(1).Count)];
        c.Expect(latentsKey, [.. latents.SelectMany(latent => ToNchw(latent, reference[1]))], c.ModelTolerance(latentsKey));
        c.Expect(pixelsKey, [.. latents.SelectMany(latent => ToNchw(pipeline.DecodeImage(latent), 3))], c.ModelTolerance(pixelsKey));
    }

    static T Load<T>(GoldenCase c, string network, Func<Weights, T> make)
    {
        string prefix = c.File.RecipePrefix + c.Json.GetProperty("weight_prefixes").GetProperty(network).GetString();
        return Weights.Load(c.Device, new RecipeSource(prefix), make);
    }

    static float[] ToNchw(float[] image, int channels) => Layouts.NhwcToNchw(image, 1, channels, image.Length / channels);

    static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];

    static string Text(GoldenCase c, string key) => c.Json.GetProperty(key).GetString()!;
}
