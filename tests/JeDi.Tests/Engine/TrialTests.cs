using System.Text.Json;
using JeDi.Files.Images;
using JeDi.Files.Safetensors;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Tests.Engine;

/// <summary>The trial's model, against what the reference implementation computed with it in float64: pictures and latents.</summary>
[Category("Golden")]
public sealed class TrialTests
{
    /// <summary>Channel values that may be more than 1 of 255 off, as a share.</summary>
    const double ShareBeyondOne = 0.001;

    /// <summary>How far any channel value may be off.</summary>
    const int LargestDifference = 8;

    static readonly string folder = Repository.Find("tests/trial");

    static readonly JsonElement requests = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "requests.json"))).RootElement;

    JeDiEngine engine = null!;

    [OneTimeSetUp]
    public void Load() => engine = JeDiEngine.Load(Repository.Find("tests/trial/tiny-jedi"), new EngineOptions { Device = "cpu" });

    [OneTimeTearDown]
    public void Unload() => engine.Dispose();

    [TestCaseSource(nameof(Requests))]
    public async Task GivesTheReferencesPictures(int index)
    {
        JsonElement json = requests[index];
        string name = json.GetProperty("name").GetString()!;
        JeDiResult result = await Generate(json);

        using SafetensorsFile stored = SafetensorsFile.Open(Path.Combine(folder, "results.safetensors"));
        float[] expected = stored.ReadFloats(stored.Find($"{name}/latents")!);
        double tolerance = 10 * json.GetProperty("float32_error").GetProperty("latents").GetDouble();
        float[] latents = [.. result.Latents.SelectMany(latent => Layouts.NhwcToNchw(latent, 1, 4, latent.Length / 4))];
        Report($"{name} latents", Comparison.Of(latents, expected).Relative, tolerance);
        for (int k = 0; k < result.Images.Count; k++)
        {
            ComparePixels($"{name}-{k}", result.Images[k].Rgb, ImageReader.Read(Path.Combine(folder, $"{name}-{k}.png")).Rgb);
        }

        Close.Within(latents, expected, tolerance, $"{name} latents");
    }

    static IEnumerable<TestCaseData> Requests() => Enumerable.Range(0, requests.GetArrayLength())
        .Select(index => new TestCaseData(index).SetArgDisplayNames(requests[index].GetProperty("name").GetString()!));

    async Task<JeDiResult> Generate(JsonElement json)
    {
        string[] prompts = Texts(json, "prompts");
        string[] captions = Texts(json, "reference_captions");
        Reference[] references = [.. Texts(json, "references").Zip(captions, (file, caption) => new Reference
        {
            Image = ImageReader.Read(Path.Combine(folder, file)),
            Caption = caption,
        })];
        using JeDiSession session = engine.Prepare(new SessionShape(
            references.Length,
            prompts.Length,
            Guidance: Guidance.Parse(json.GetProperty("guidance").GetString()!),
            Sampler: json.GetProperty("sampler").GetString(),
            Steps: json.GetProperty("steps").GetInt32()));
        return await session.GenerateAsync(new JeDiRequest
        {
            Prompts = [.. prompts.Select(prompt => new Prompt(prompt))],
            References = references,
            Seed = json.GetProperty("seed").GetInt64(),
            TextScale = json.GetProperty("text_scale").GetDouble(),
            ImageScale = json.GetProperty("image_scale").GetDouble(),
        });
    }

    static void ComparePixels(string name, byte[] actual, byte[] expected)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), name);
        int[] differences = [.. actual.Zip(expected, (a, b) => Math.Abs(a - b))];
        double beyondOne = differences.Count(difference => difference > 1) / (double)differences.Length;
        Report($"{name} pixels beyond 1 of 255", beyondOne, ShareBeyondOne);
        Report($"{name} largest pixel difference", differences.Max(), LargestDifference);
        Assert.That(beyondOne, Is.AtMost(ShareBeyondOne), name);
        Assert.That(differences.Max(), Is.AtMost(LargestDifference), name);
    }

    static void Report(string what, double error, double tolerance) =>
        TestContext.Out.WriteLine(
            $"trial/{what}: error {error:0.00e+00} tolerance {tolerance:0.00e+00} quotient {error / tolerance:0.000}");

    static string[] Texts(JsonElement json, string key) => [.. json.GetProperty(key).EnumerateArray().Select(text => text.GetString()!)];
}
