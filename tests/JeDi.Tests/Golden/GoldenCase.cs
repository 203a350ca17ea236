using System.Text.Json;
using JeDi.Files;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Golden;

/// <summary>Runs one case: computes what its <c>op</c> says and hands every result to <see cref="GoldenCase.Expect"/>.</summary>
public delegate void GoldenRunner(GoldenCase c);

/// <summary>One case of a golden file on one device: its parameters, its recipe inputs, the comparison with the stored numbers.</summary>
public sealed class GoldenCase(GoldenFile file, int index, Device? device = null, string target = "host")
{
    readonly List<string> lines = [];
    readonly List<string> failures = [];

    readonly string label = Label(file.Cases[index], index);

    public GoldenFile File { get; } = file;

    /// <summary>The case as it stands in the file.</summary>
    public JsonElement Json { get; } = file.Cases[index];

    /// <summary>Where to compute. Cases that need none (files, plans) have none.</summary>
    public Device Device => device ?? throw new InvalidOperationException($"the runner of '{Op}' is registered without devices");

    public string Op => Json.GetProperty("op").GetString()!;

    /// <summary>Prefix of the case's tensor names.</summary>
    public string Tag => Json.GetProperty("tag").GetString()!;

    /// <summary>The entry of the file's <c>configs</c> that the case names, or the case's own object.</summary>
    public JsonElement Config
    {
        get
        {
            JsonElement config = Json.GetProperty("config");
            return config.ValueKind == JsonValueKind.String ? File.Configs.GetProperty(config.GetString()!) : config;
        }
    }

    /// <summary>Lines of the tensors that were beyond their tolerance.</summary>
    public IReadOnlyList<string> Failures => failures;

    /// <summary>A number of the case.</summary>
    public int Int(string key) => Json.GetProperty(key).GetInt32();

    /// <summary>Name of the recipe tensor <paramref name="input"/> of this case.</summary>
    public string RecipeName(string input) => $"{File.RecipePrefix}{Tag}/{input}";

    /// <summary>Prefix of the recipe names of the case's weights: <c>w:</c> + this + the parameter's name.</summary>
    public string WeightPrefix => File.RecipePrefix + Json.GetProperty("weight_prefix").GetString();

    /// <summary>The recipe tensor <paramref name="input"/>, row-major in the shape that PyTorch gives it (NCHW).</summary>
    public float[] Input(string input, Shape shape, double? scale = null) => Recipe.Tensor(RecipeName(input), shape.Count, scale);

    /// <summary>The same for [N, C, H, W], brought to [N, H, W, C].</summary>
    public float[] InputNhwc(string input, Shape nchw, double? scale = null) =>
        Layouts.NchwToNhwc(Input(input, nchw, scale), nchw[0], nchw[1], nchw[2] * nchw[3]);

    /// <summary>The stored tensor under its full name.</summary>
    public GoldenTensor Expected(string key) => File.Tensors.TryGetValue(key, out GoldenTensor? tensor)
        ? tensor
        : throw new AssertionException($"{File.Stem}.safetensors has no '{key}'");

    /// <summary>Whether the file stores a tensor of this full name.</summary>
    public bool Has(string key) => File.Tensors.ContainsKey(key);

    /// <summary>Largest error of PyTorch's own float32 run over the largest value.</summary>
    public double Float32Error(string key) => Json.GetProperty("float32_error").GetProperty(key).GetDouble();

    /// <summary>What a whole model may be off: 4 x PyTorch's own float32 error, plus 2e-6.</summary>
    public double ModelTolerance(string key) => 4 * Float32Error(key) + 2e-6;

    /// <summary>Names a case among those of its file.</summary>
    public static string Label(JsonElement json, int index) =>
        json.TryGetProperty("tag", out JsonElement tag) ? tag.GetString()! : $"{json.GetProperty("op").GetString()} {index}";

    /// <summary>
    /// Compares with the stored tensor <paramref name="key"/> (full name), element by element in its order (NCHW). The tolerance is
    /// relative to the largest expected value; 0 asks for equal numbers.
    /// </summary>
    public void Expect(string key, ReadOnlySpan<float> actual, double tolerance)
    {
        GoldenTensor expected = Expected(key);
        Expect(key, actual, expected.Values, tolerance);
    }

    /// <summary>The same for an actual tensor on the device in [N, H, W, C], against a stored [N, C, H, W].</summary>
    public void ExpectNhwc(string key, Tensor actual, double tolerance)
    {
        Shape shape = actual.Shape;
        int channels = shape[-1];
        int pixels = checked((int)(shape.RowCount / shape[0]));
        Expect(key, Layouts.NhwcToNchw(actual.Device.ToArray(actual), shape[0], channels, pixels), tolerance);
    }

    /// <summary>Compares with numbers that do not stand in the safetensors (ids, digests, timesteps).</summary>
    public void Expect(string what, ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double tolerance)
    {
        Comparison comparison = Comparison.Of(actual, expected);
        Note(what, comparison.Relative, tolerance, comparison.Text);
    }

    /// <summary>Writes the lines of the case and fails if a tensor was beyond its tolerance, or none was compared.</summary>
    public void Finish()
    {
        foreach (string line in lines.Where(line => line.Length > 0))
        {
            TestContext.Out.WriteLine(line);
        }

        if (lines.Count == 0)
        {
            Assert.Fail($"{File.Stem}: the runner of '{Op}' compared nothing");
        }

        if (failures.Count > 0)
        {
            Assert.Fail(string.Join('\n', failures));
        }
    }

    void Note(string what, double error, double tolerance, string at)
    {
        tolerance = Allowance.Of(tolerance, error, scale: 1);
        if (Allowance.Measuring)
        {
            lines.Add("");
            return;
        }

        double quotient = error == 0 ? 0 : error / tolerance;
        string tensor = what.StartsWith(label + "/", StringComparison.Ordinal) ? what[(label.Length + 1)..] : what;
        string line = $"{File.Stem}/{label} {target}: {tensor}: error {error:0.00e+00} "
            + $"tolerance {tolerance:0.00e+00} quotient {quotient:0.000}";
        lines.Add(line);
        if (!(quotient <= 1))
        {
            failures.Add($"{line} ({at})");
        }
    }
}
