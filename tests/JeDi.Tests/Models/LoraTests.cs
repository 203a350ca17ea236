using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Tests.Models;

/// <summary>W + factor * alpha / rank * up * down, whatever a trainer calls its tensors.</summary>
public sealed class LoraTests
{
    const int Rank = 3;
    const string Linear = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
    const string Output = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0";
    const string Filter = "up_blocks.2.resnets.1.conv1";
    const string Text = "text_model.encoder.layers.1.self_attn.v_proj";

    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    static IEnumerable<TestCaseData> Styles()
    {
        yield return Style("kohya", m => $"lora_unet_{Plain(m)}.lora_down.weight", m => $"lora_unet_{Plain(m)}.lora_up.weight");
        yield return Style("peft", m => $"unet.{m}.lora_A.weight", m => $"unet.{m}.lora_B.weight");
        yield return Style(
            "peft-base", m => $"base_model.model.{m}.lora_A.default.weight", m => $"base_model.model.{m}.lora_B.default.weight");
        yield return Style("adapter", m => $"unet.{m}.lora_A.ink.weight", m => $"unet.{m}.lora_B.ink.weight");
        yield return Style("comfy", m => $"diffusion_model.{m}.lora_A.weight", m => $"diffusion_model.{m}.lora_B.weight");
        yield return Style("diffusers", m => $"unet.{m}.lora.down.weight", m => $"unet.{m}.lora.up.weight");
        yield return Style("processor", m => Processor(m) + "_lora.down.weight", m => Processor(m) + "_lora.up.weight");
    }

    [TestCaseSource(nameof(Styles))]
    public void ChangesTheWeights(string style, Func<string, string> down, Func<string, string> up)
    {
        string[] modules = style == "processor" ? [Linear, Output] : [Linear, Output, Filter];
        float? alpha = style == "kohya" ? 1.5f : null;
        string path = Write(style, modules.Select(module => (down(module), up(module), module)), Component.UNet, alpha);
        AssertChanged(path, modules, Component.UNet, alpha ?? Rank, factor: 0.7);
    }

    [TestCase("lora_te_text_model_encoder_layers_1_self_attn_v_proj", ".lora_down.weight", ".lora_up.weight")]
    [TestCase("text_encoder." + Text, ".lora_A.weight", ".lora_B.weight")]
    [TestCase("text_encoder." + Text, ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight")]
    [TestCase("text_encoder.encoder.layers.1.self_attn.v_proj", ".lora_A.weight", ".lora_B.weight")]
    [TestCase("text_encoder.text_model.encoder.layers.1.self_attn.to_v", "_lora.down.weight", "_lora.up.weight")]
    [TestCase("lora_te_encoder_layers_1_self_attn_v_proj", ".lora_down.weight", ".lora_up.weight")]
    [TestCase("text_encoders.clip_l.transformer." + Text, ".lora_A.ink.weight", ".lora_B.ink.weight")]
    public void ChangesTheTextEncoder(string module, string down, string up)
    {
        string path = Write("text" + down, [(module + down, module + up, Text)], Component.TextEncoder, null);
        AssertChanged(path, [Text], Component.TextEncoder, Rank, factor: 1);
    }

    [Test]
    public void SingleFileNamesAreUnderstood()
    {
        const string File = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q";
        string path = Write("single", [(File + ".lora_down.weight", File + ".lora_up.weight", Linear)], Component.UNet, null);
        AssertChanged(path, [Linear], Component.UNet, Rank, factor: 1);
    }

    /// <summary>As diffusers does: where both forms are there, the names of the folder form count, and a line says so.</summary>
    [Test]
    public void BothFormsAreReadAsDiffusersReadsThem()
    {
        const string File = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q";
        string folderForm = $"lora_unet_{Plain(Linear)}";
        (string, string, string)[] pairs =
        [
            (folderForm + ".lora_down.weight", folderForm + ".lora_up.weight", Linear),
            (File + ".lora_down.weight", File + ".lora_up.weight", Linear),
        ];
        string path = Write("both", pairs, Component.UNet, null);
        AssertChanged(path, [Linear], Component.UNet, Rank, factor: 1);
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 4);
        model.AddLora(path, 1);
        Assert.That(model.Doubts, Has.One.Contains(File));
    }

    /// <summary>PEFT's alpha in the metadata or in a file beside, for all modules or for some, over the rank or its root.</summary>
    [TestCase("""{"unet.lora_alpha": 4, "unet.r": 3}""", "", 4.0)]
    [TestCase("""{"unet.lora_alpha": 3, "unet.use_rslora": true}""", "", 5.196152422706632)]
    [TestCase("""{"unet.lora_alpha": 4, "unet.alpha_pattern": {"attn1.to_q": 6, "attn2.to_q": 1}}""", "", 6.0)]
    [TestCase("""{"text_encoder.lora_alpha": 4}""", "", 3.0)]
    [TestCase("", """{"peft_type": "LORA", "lora_alpha": 12, "r": 3, "init_lora_weights": true}""", 12.0)]
    [TestCase("""{"lora_alpha": 9}""", """{"lora_alpha": 12}""", 9.0)]
    public void AlphaMayStandElsewhere(string metadata, string beside, double alpha)
    {
        string own = Directory.CreateDirectory(folder.At($"{Guid.NewGuid():N}")).FullName;
        string path = Path.Combine(own, "adapter_model.safetensors");
        File.Move(Write("else", [($"unet.{Linear}.lora_A.weight", $"unet.{Linear}.lora_B.weight", Linear)], Component.UNet, null), path);
        if (metadata.Length > 0)
        {
            CheckpointTests.Rewrite(path, item => item, new() { ["lora_adapter_metadata"] = metadata });
        }

        if (beside.Length > 0)
        {
            File.WriteAllText(Path.Combine(own, "adapter_config.json"), beside);
        }

        AssertChanged(path, [Linear], Component.UNet, alpha, factor: 1);
    }

    [Test]
    public void AlphaMayBeAnInteger()
    {
        string down = $"lora_unet_{Plain(Linear)}.lora_down.weight";
        string path = Write("whole", [(down, down.Replace("down", "up").Replace("up_blocks", "down_blocks"), Linear)], Component.UNet, 2);
        byte[] bytes = File.ReadAllBytes(path);
        using (SafetensorsFile file = SafetensorsFile.Open(path))
        {
            Assert.That(file.ReadFloats(file.Entries.Single(entry => entry.Name.EndsWith(".alpha"))), Is.EqualTo(new[] { 2f }));
        }

        ReadOnlySpan<byte> type = "alpha\":{\"dtype\":\""u8;
        bytes[bytes.AsSpan().IndexOf(type) + type.Length] = (byte)'I';
        BitConverter.GetBytes(2).CopyTo(bytes, bytes.AsSpan().LastIndexOf(BitConverter.GetBytes(2f)));
        File.WriteAllBytes(path, bytes);
        AssertChanged(path, [Linear], Component.UNet, 2, factor: 1);
    }

    [Test]
    public void TwoFilesAddUp()
    {
        string path = Write("twice", [($"unet.{Linear}.lora_A.weight", $"unet.{Linear}.lora_B.weight", Linear)], Component.UNet, null);
        using Checkpoint once = Checkpoint.FromRecipe("tiny", 4);
        using Checkpoint twice = Checkpoint.FromRecipe("tiny", 4);
        once.AddLora(path, 1);
        twice.AddLora(path, 0.5);
        twice.AddLora(path, 0.5);
        float[] a = CheckpointTests.Floats(once, Component.UNet, Linear + ".weight", [16, 16]);
        float[] b = CheckpointTests.Floats(twice, Component.UNet, Linear + ".weight", [16, 16]);
        using Checkpoint plain = Checkpoint.FromRecipe("tiny", 4);
        float[] before = CheckpointTests.Floats(plain, Component.UNet, Linear + ".weight", [16, 16]);
        for (int i = 0; i < a.Length; i++)
        {
            (_, double size) = Change(Linear, [16, 16], i);
            Assert.That(b[i], Is.EqualTo(a[i]).Within(Rounding(Rank, before[i], size) + Rounding(2 * Rank, before[i], size)), $"[{i}]");
        }
    }

    /// <summary>Loading with the LoRA and writing the merged model give the same bits.</summary>
    [Test]
    public void MergedModelIsTheSame()
    {
        string path = Write("merge", [($"unet.{Linear}.lora_A.weight", $"unet.{Linear}.lora_B.weight", Linear)], Component.UNet, null);
        using Checkpoint loaded = Checkpoint.FromRecipe("tiny", 4);
        loaded.AddLora(path, 0.8);
        string merged = folder.At("merged.safetensors");
        CheckpointWriter.Write(loaded, merged, new ConvertOptions { SingleFile = true });
        using Checkpoint written = Checkpoint.Open(merged);
        Assert.That(
            CheckpointTests.Floats(written, Component.UNet, Linear + ".weight", [16, 16]),
            Is.EqualTo(CheckpointTests.Floats(loaded, Component.UNet, Linear + ".weight", [16, 16])));
    }

    [Test]
    public void NamesThatMatchNothingAreRefused()
    {
        const string Name = "unet.no.such.layer.lora_A.weight";
        string path = Write("strange", [(Name, "unet.no.such.layer.lora_B.weight", Linear)], Component.UNet, null);
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 4);
        Assert.That(
            () => model.AddLora(path, 1),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("2 of 2 names").And.Message.Contains($"'{Name}'"));
    }

    [Test]
    public void FactorsOfOtherSizesAreRefused()
    {
        const string Wide = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
        string path = Write("wide", [($"unet.{Wide}.lora_A.weight", $"unet.{Wide}.lora_B.weight", Linear)], Component.UNet, null);
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 4);
        Assert.That(() => model.AddLora(path, 1), Throws.TypeOf<CheckpointException>().With.Message.Contains(Wide));
    }

    [Test]
    public void LonelyFactorIsRefused()
    {
        string path = Write("lonely", [($"unet.{Linear}.lora_A.weight", $"unet.{Linear}.lora_B.weight", Linear)], Component.UNet, null);
        CheckpointTests.Rewrite(path, item => item.Name.Contains("lora_B") ? null : item);
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 4);
        Assert.That(() => model.AddLora(path, 1), Throws.TypeOf<CheckpointException>().With.Message.Contains("one is missing"));
    }

    static string Plain(string module) => module.Replace('.', '_');

    static TestCaseData Style(string name, Func<string, string> down, Func<string, string> up) =>
        new TestCaseData(name, down, up).SetArgDisplayNames(name);

    /// <summary>diffusers' first style: <c>attn1.processor.to_q_lora</c>, and to_out without its index.</summary>
    static string Processor(string module)
    {
        string plain = module.EndsWith("to_out.0", StringComparison.Ordinal) ? module[..^2] : module;
        int last = plain.LastIndexOf('.');
        return $"unet.{plain[..last]}.processor{plain[last..]}";
    }

    static Shape ShapeOf(Component component, string module)
    {
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 4);
        return model.Weights(component).First(weight => weight.Name == module + ".weight").Shape;
    }

    static float[] Down(string module, Shape shape) => Recipe.Tensor(module + "/down", Rank * shape.Count / shape[0]);

    static float[] Up(string module, Shape shape) => Recipe.Tensor(module + "/up", Rank * shape[0]);

    /// <summary>Element <paramref name="i"/> of up * down, and the sum of its terms' sizes.</summary>
    static (double Sum, double Size) Change(string module, Shape shape, int i)
    {
        float[] down = Down(module, shape);
        float[] up = Up(module, shape);
        int columns = (int)(shape.Count / shape[0]);
        double[] terms = [.. Enumerable.Range(0, Rank).Select(r => (double)up[i / columns * Rank + r] * down[r * columns + i % columns])];
        return (terms.Sum(), terms.Sum(Math.Abs));
    }

    /// <summary>
    /// Of a weight and terms added one by one in F32: the scale, its product with up and that with down are rounded, and each addition.
    /// </summary>
    static double Rounding(int additions, double weight, double terms) => (additions + 3) * Math.Pow(2, -24) * (Math.Abs(weight) + terms);

    string Write(string name, IEnumerable<(string Down, string Up, string Module)> pairs, Component component, float? alpha)
    {
        var values = new Dictionary<string, float[]>();
        var items = new List<SafetensorsItem>();
        foreach ((string down, string up, string module) in pairs)
        {
            Shape shape = ShapeOf(component, module);
            bool filter = shape.Rank == 4;
            Add(down, [Rank, .. shape.Skip(1).Select(size => (long)size)], Down(module, shape));
            Add(up, filter ? [shape[0], Rank, 1, 1] : [shape[0], Rank], Up(module, shape));
            if (alpha is float value)
            {
                Add(down.Replace(".lora_down.weight", ".alpha"), [], [value]);
            }
        }

        string path = folder.At(name + ".safetensors");
        SafetensorsWriter.Write(path, items, null, (item, stream) =>
            stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values[item.Name])));
        return path;

        void Add(string key, long[] shape, float[] numbers)
        {
            values.Add(key, numbers);
            items.Add(new SafetensorsItem(key, SafetensorsType.F32, shape));
        }
    }

    static void AssertChanged(string path, string[] modules, Component component, double alpha, double factor)
    {
        using Checkpoint plain = Checkpoint.FromRecipe("tiny", 4);
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 4);
        model.AddLora(path, factor);
        foreach (string module in modules)
        {
            Shape shape = ShapeOf(component, module);
            float[] before = CheckpointTests.Floats(plain, component, module + ".weight", shape);
            float[] after = CheckpointTests.Floats(model, component, module + ".weight", shape);
            for (int i = 0; i < after.Length; i++)
            {
                (double change, double size) = Change(module, shape, i);
                double scale = factor * alpha / Rank;
                double tolerance = Rounding(Rank, before[i], scale * size);
                Assert.That(after[i], Is.EqualTo(before[i] + scale * change).Within(tolerance), $"{module} [{i}]");
            }
        }

        string untouched = component == Component.UNet ? "conv_in.weight" : "text_model.embeddings.position_embedding.weight";
        Shape same = component == Component.UNet ? [16, 4, 3, 3] : [77, 24];
        float[] kept = CheckpointTests.Floats(model, component, untouched, same);
        Assert.That(kept, Is.EqualTo(CheckpointTests.Floats(plain, component, untouched, same)));
    }
}
