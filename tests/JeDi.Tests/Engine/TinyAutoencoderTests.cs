using System.Text.Json.Nodes;
using JeDi.Cpu;
using JeDi.Files.Images;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Models;

namespace JeDi.Tests.Engine;

/// <summary>A tiny autoencoder instead of the model's, for everything or for previews alone.</summary>
public sealed class TinyAutoencoderTests
{
    static readonly string Model = Repository.Find("tests/trial/tiny-jedi");

    static readonly SessionShape Shape = new(Steps: 3);

    static readonly JeDiRequest Request = new() { Prompts = ["a mosquito on a plain blue background"], Seed = 2, PreviewEvery = 1 };

    readonly TestFolder folder = new();

    string tiny = "";

    /// <summary>A model folder whose autoencoder is a tiny one of recipe weights.</summary>
    [OneTimeSetUp]
    public void WriteTiny()
    {
        var configs = Presets.Files("tiny", 9).ToDictionary(file => file.Key, file => file.Value.ToJsonString());
        configs["vae/config.json"] = new JsonObject
        {
            ["_class_name"] = "AutoencoderTiny",
            ["latent_channels"] = 4,
            ["encoder_block_out_channels"] = new JsonArray(8, 8, 16, 16),
            ["num_encoder_blocks"] = new JsonArray(1, 2, 0, 1),
            ["decoder_block_out_channels"] = new JsonArray(16, 16, 8, 8),
            ["num_decoder_blocks"] = new JsonArray(2, 1, 0, 1),
        }.ToJsonString();
        using var model = Checkpoint.Of("test", configs, component => new RecipeSource($"{component}/"), null);
        tiny = folder.At("tiny");
        var options = new ConvertOptions { TokenizerFolder = LetterTokenizer.Write(folder.At("letters")) };
        CheckpointWriter.Write(model, tiny, options, new Progress<double>());
    }

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    /// <summary>The picture is what the decoder alone makes of the latent; a file without a config is the same autoencoder.</summary>
    [Test]
    public async Task DecodesThePictures()
    {
        (JeDiResult result, _) = await Draw(new EngineOptions { Device = "cpu", Vae = tiny });
        using Checkpoint checkpoint = Checkpoint.Open(tiny);
        using var device = new CpuDevice();
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        ImageDecoder decoder = Weights.Load(device, checkpoint.Source(Component.Vae), w => ImageDecoder.Of(w, checkpoint.Vae));
        float[] pixels = device.ToArray(decoder.Decode(ops, ops.From<float>([1, 16, 16, 4], result.Latents[0])));
        Assert.That(result.Images[0].Rgb, Is.EqualTo(PixelImage.FromFloats(128, 128, pixels).Rgb));
        arena.Release();
        string file = Path.Combine(tiny, "vae", "diffusion_pytorch_model.safetensors");
        (JeDiResult alone, _) = await Draw(new EngineOptions { Device = "cpu", Vae = file });
        Assert.That(alone.Images[0].Rgb, Is.EqualTo(result.Images[0].Rgb));
    }

    /// <summary>Previews of the one, the picture of the other.</summary>
    [Test]
    public async Task DecodesPreviewsAlone()
    {
        (JeDiResult plain, List<byte[]> own) = await Draw(new EngineOptions { Device = "cpu" });
        (_, List<byte[]> all) = await Draw(new EngineOptions { Device = "cpu", Vae = tiny });
        (JeDiResult both, List<byte[]> previews) = await Draw(new EngineOptions { Device = "cpu", PreviewVae = tiny });
        Assert.That(both.Images[0].Rgb, Is.EqualTo(plain.Images[0].Rgb));
        Assert.That(previews, Is.EqualTo(all).And.Not.EqualTo(own));
        Assert.That(previews, Has.Count.EqualTo(2));
    }

    /// <summary>References are encoded by it, too, and large pictures in tiles.</summary>
    [Test]
    public async Task EncodesAndTiles()
    {
        using JeDiEngine engine = JeDiEngine.Load(Model, new EngineOptions { Device = "cpu", Vae = tiny });
        using JeDiSession session = engine.Prepare(Shape with { References = 1, Width = 192, Height = 128, VaeTiling = true });
        var photo = new PixelImage(192, 128, [.. Enumerable.Range(0, 192 * 128 * 3).Select(i => (byte)(i * 7))]);
        float[] latent = session.Encode(photo);
        Assert.That(latent, Has.Length.EqualTo(24 * 16 * 4));
        JeDiResult result = await session.GenerateAsync(Request with { References = [new Reference { Image = photo, Latent = latent }] });
        Assert.That(result.Images[0].Width, Is.EqualTo(192));
        Assert.That(session.PeakArenaBytes, Is.LessThanOrEqualTo(session.ArenaBytes));
    }

    static async Task<(JeDiResult Result, List<byte[]> Previews)> Draw(EngineOptions options)
    {
        var previews = new List<byte[]>();
        using JeDiEngine engine = JeDiEngine.Load(Model, options);
        using JeDiSession session = engine.Prepare(Shape);
        JeDiRequest request = Request with { Preview = (_, pictures) => previews.Add(pictures[0].Rgb) };
        return (await session.GenerateAsync(request), previews);
    }
}
