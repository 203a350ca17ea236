using System.Runtime.InteropServices;
using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Tests.Models;

/// <summary>Every kind of change that is arithmetic at load, beside a plain double computation of its definition.</summary>
public sealed class LoraKindTests
{
    const int Rank = 3;
    const double Factor = 0.7;
    const string Linear = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
    const string Filter = "up_blocks.2.resnets.1.conv1";
    const string Norm = "down_blocks.0.attentions.0.norm";

    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void LoConWithAMidTensor()
    {
        Shape shape = ShapeOf(Filter);
        int inputs = shape[1];
        var file = new Parts(Kohya(Filter));
        double[] down = file.Add(".lora_down.weight", Rank, inputs, 1, 1);
        double[] mid = file.Add(".lora_mid.weight", Rank, Rank, 3, 3);
        double[] up = file.Add(".lora_up.weight", shape[0], Rank, 1, 1);
        file.Alpha(1.5f);
        AssertMerged(file, Filter, (o, i) => 1.5 / Rank * Sum(Rank, p => up[o * Rank + p]
            * Sum(Rank, q => mid[(p * Rank + q) * 9 + i % 9] * down[q * inputs + i / 9])));
    }

    [Test]
    public void LoHa([Values(Linear, Filter)] string module)
    {
        Shape shape = ShapeOf(module);
        int columns = (int)(shape.Count / shape[0]);
        var file = new Parts(Kohya(module));
        double[] w1a = file.Add(".hada_w1_a", shape[0], Rank);
        double[] w1b = file.Add(".hada_w1_b", Rank, columns);
        double[] w2a = file.Add(".hada_w2_a", shape[0], Rank);
        double[] w2b = file.Add(".hada_w2_b", Rank, columns);
        file.Alpha(2);
        AssertMerged(file, module, (o, i) => 2.0 / Rank * Sum(Rank, r => w1a[o * Rank + r] * w1b[r * columns + i])
            * Sum(Rank, r => w2a[o * Rank + r] * w2b[r * columns + i]));
    }

    [Test]
    public void LoHaWithCores()
    {
        Shape shape = ShapeOf(Filter);
        (int outputs, int inputs) = (shape[0], shape[1]);
        var file = new Parts(Kohya(Filter));
        double[][] a = [file.Add(".hada_w1_a", Rank, outputs), file.Add(".hada_w2_a", Rank, outputs)];
        double[][] b = [file.Add(".hada_w1_b", Rank, inputs), file.Add(".hada_w2_b", Rank, inputs)];
        double[][] t = [file.Add(".hada_t1", Rank, Rank, 3, 3), file.Add(".hada_t2", Rank, Rank, 3, 3)];
        double One(int n, int o, int i) => Sum(Rank, p => a[n][p * outputs + o]
            * Sum(Rank, q => t[n][(p * Rank + q) * 9 + i % 9] * b[n][q * inputs + i / 9]));
        AssertMerged(file, Filter, (o, i) => One(0, o, i) * One(1, o, i));
    }

    [Test]
    public void LoKr([Values] bool factored)
    {
        Shape shape = ShapeOf(Linear);
        (int rows, int columns) = (shape[0] / 2, shape[1] / 4);
        var file = new Parts(Kohya(Linear));
        double[] w1 = file.Add(".lokr_w1", 2, 4);
        double[] a = factored ? file.Add(".lokr_w2_a", rows, Rank) : file.Add(".lokr_w2", rows, columns);
        double[] b = factored ? file.Add(".lokr_w2_b", Rank, columns) : [];
        file.Alpha(5);
        double Inner(int o, int i) => factored ? 5.0 / Rank * Sum(Rank, r => a[o * Rank + r] * b[r * columns + i]) : a[o * columns + i];
        AssertMerged(file, Linear, (o, i) => w1[o / rows * 4 + i / columns] * Inner(o % rows, i % columns));
    }

    [Test]
    public void LoKrOfAFilterWithACore()
    {
        Shape shape = ShapeOf(Filter);
        (int rows, int inputs) = (shape[0] / 4, shape[1] / 2);
        var file = new Parts(Kohya(Filter));
        double[] w1a = file.Add(".lokr_w1_a", 4, 1);
        double[] w1b = file.Add(".lokr_w1_b", 1, 2);
        double[] t = file.Add(".lokr_t2", Rank, Rank, 3, 3);
        double[] a = file.Add(".lokr_w2_a", Rank, rows);
        double[] b = file.Add(".lokr_w2_b", Rank, inputs);
        file.Alpha(2);
        AssertMerged(file, Filter, (o, i) => 2.0 / Rank * w1a[o / rows] * w1b[i / 9 / inputs] * Sum(Rank, p => a[p * rows + o % rows]
            * Sum(Rank, q => t[(p * Rank + q) * 9 + i % 9] * b[q * inputs + i / 9 % inputs])));
    }

    [TestCase(".diff", ".diff_b")]
    [TestCase(".w_norm", ".b_norm")]
    public void FullDifferences(string weight, string bias)
    {
        string module = weight == ".diff" ? Filter : Norm;
        Shape shape = ShapeOf(module);
        int columns = (int)(shape.Count / shape[0]);
        var file = new Parts(Kohya(module));
        double[] d = file.Add(weight, [.. shape.Select(size => size)]);
        double[] e = file.Add(bias, shape[0]);
        AssertMerged(file, module, (o, i) => d[o * columns + i]);
        AssertMerged(file, module, (o, _) => e[o], ".bias");
    }

    [Test]
    public void LoraWithABias()
    {
        Shape shape = ShapeOf(Filter);
        var file = new Parts($"unet.{Filter}");
        file.Add(".lora_A.weight", Rank, shape[1], 3, 3);
        file.Add(".lora_B.weight", shape[0], Rank, 1, 1);
        double[] bias = file.Add(".lora_B.bias", shape[0]);
        AssertMerged(file, Filter, (o, _) => bias[o], ".bias");
        var without = new Parts($"unet.{Linear}");
        without.Add(".lora_A.weight", Rank, 16);
        without.Add(".lora_B.weight", 16, Rank);
        without.Add(".lora_B.bias", 16);
        Assert.That(() => Merged(without), Throws.TypeOf<CheckpointException>().With.Message.Contains($"{Linear}.bias"));
    }

    /// <summary>m V / |V| with V = W + scale * change; |V| over the inputs of each output, or the other way round.</summary>
    [TestCase(Linear, "unet", ".lora_magnitude_vector", false)]
    [TestCase(Linear, "unet", ".lora_magnitude_vector.default.weight", false)]
    [TestCase(Linear, "kohya", ".dora_scale", true)]
    [TestCase(Filter, "kohya", ".dora_scale", true)]
    [TestCase(Filter, "kohya", ".dora_scale", false)]
    public void DoRA(string module, string style, string name, bool ofColumns)
    {
        Shape shape = ShapeOf(module);
        int columns = (int)(shape.Count / shape[0]);
        int area = columns / shape[1];
        bool peft = style == "unet";
        var file = new Parts(peft ? $"unet.{module}" : Kohya(module));
        double[] down = file.Add(peft ? ".lora_A.weight" : ".lora_down.weight", [Rank, .. shape.Skip(1)]);
        double[] up = file.Add(peft ? ".lora_B.weight" : ".lora_up.weight", shape[0], Rank);
        int[] size = peft ? [shape[0]] : ofColumns ? [1, shape[1], 1, 1] : [shape[0], 1, 1, 1];
        double[] magnitudes = file.Add(name, size);
        float[] before = Weight(Checkpoint.FromRecipe("tiny", 4), module + ".weight");
        double[] changed = [.. before.Select((w, at) =>
            w + Sum(Rank, r => up[at / columns * Rank + r] * down[r * columns + at % columns]))];
        int Group(int at) => ofColumns ? at % columns / area : at / columns;
        var lengths = new double[magnitudes.Length];
        for (int i = 0; i < changed.Length; i++)
        {
            lengths[Group(i)] += changed[i] * changed[i];
        }

        AssertMerged(file, module, (o, i) =>
        {
            int at = o * columns + i;
            return magnitudes[Group(at)] * changed[at] / Math.Sqrt(lengths[Group(at)]) - before[at];
        });
    }

    [TestCase("lora_unet_x.oft_blocks", "OFT")]
    [TestCase("lora_unet_x.a1.weight", "GLoRA")]
    [TestCase("unet.x.ia3_l", "(IA)3")]
    public void OtherKindsAreRefusedByName(string name, string kind)
    {
        var file = new Parts("");
        file.Add(name, 2, 2);
        Assert.That(() => Merged(file), Throws.TypeOf<CheckpointException>().With.Message.Contains($"holds {kind} ('{name}')"));
    }

    static string Kohya(string module) => $"lora_unet_{module.Replace('.', '_')}";

    static double Sum(int count, Func<int, double> term) => Enumerable.Range(0, count).Sum(term);

    static Shape ShapeOf(string module, string tensor = ".weight")
    {
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 4);
        return model.Weights(Component.UNet).First(weight => weight.Name == module + tensor).Shape;
    }

    static float[] Weight(Checkpoint model, string name) =>
        CheckpointTests.Floats(model, Component.UNet, name, model.Weights(Component.UNet).First(weight => weight.Name == name).Shape);

    Checkpoint Merged(Parts file)
    {
        string path = folder.At($"{Guid.NewGuid():N}.safetensors");
        file.Write(path);
        Checkpoint model = Checkpoint.FromRecipe("tiny", 4);
        model.AddLora(path, Factor);
        return model;
    }

    /// <summary>Up to 30 sums and products of F32 numbers, each rounded, at the size of the largest change and weight.</summary>
    void AssertMerged(Parts file, string module, Func<int, int, double> change, string tensor = ".weight")
    {
        using Checkpoint plain = Checkpoint.FromRecipe("tiny", 4);
        using Checkpoint merged = Merged(file);
        float[] before = Weight(plain, module + tensor);
        float[] after = Weight(merged, module + tensor);
        int columns = before.Length / ShapeOf(module, tensor)[0];
        double[] changes = [.. Enumerable.Range(0, before.Length).Select(at => change(at / columns, at % columns))];
        double tolerance = 30 * Math.Pow(2, -24) * (changes.Max(Math.Abs) + before.Max(w => Math.Abs(w)));
        for (int at = 0; at < before.Length; at++)
        {
            Assert.That(after[at], Is.EqualTo(before[at] + Factor * changes[at]).Within(tolerance), $"{module}{tensor} [{at}]");
        }
    }

    /// <summary>A file of tensors that follow from their names.</summary>
    sealed class Parts(string module)
    {
        readonly List<(SafetensorsItem Item, float[] Values)> parts = [];

        public double[] Add(string part, params int[] shape)
        {
            string name = module + part;
            long[] size = [.. shape.Select(s => (long)s)];
            float[] values = Recipe.Tensor(name, SafetensorsEntry.CountOf(size));
            parts.Add((new SafetensorsItem(name, SafetensorsType.F32, size), values));
            return [.. values.Select(value => (double)value)];
        }

        public void Alpha(float alpha) => parts.Add((new SafetensorsItem($"{module}.alpha", SafetensorsType.F32, []), [alpha]));

        public void Write(string path)
        {
            Dictionary<string, float[]> values = parts.ToDictionary(part => part.Item.Name, part => part.Values);
            SafetensorsWriter.Write(
                path, [.. parts.Select(part => part.Item)], null, (item, to) => to.Write(MemoryMarshal.AsBytes<float>(values[item.Name])));
        }
    }
}
