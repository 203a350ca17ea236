using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tensors.Decorators;
using JeDi.Tensors.Planning;

namespace JeDi.Tests.Models;

/// <summary>What coupling, sharing and saving may change: nothing.</summary>
public sealed class UNetTests
{
    [TestCaseSource(typeof(Targets), nameof(Targets.Names))]
    public void SetsOfDifferentSizesEqualTheSetsAlone(string target)
    {
        using var unet = new TinyUNet(target: target);
        float[][] together = unet.Run(["a", "b", "c", "d", "e", "f"], [1, 3, 2]);
        float[][] alone = [.. unet.Run(["a"], [1]), .. unet.Run(["b", "c", "d"], [3]), .. unet.Run(["e", "f"], [2])];
        AssertSame(together, alone);
    }

    [Test]
    public void ImagesOfASetSeeEachOther()
    {
        using var unet = new TinyUNet();
        float[] coupled = unet.Run(["a", "b"], [2])[0];
        float[] single = unet.Run(["a", "b"], [1, 1])[0];
        Assert.That(coupled.Zip(single).Max(pair => Math.Abs(pair.First - pair.Second)), Is.GreaterThan(1e-3));
    }

    /// <summary>Images that share a text get what each with a copy of it gets.</summary>
    [Test]
    public void SharedTextEqualsItsCopies()
    {
        using var unet = new TinyUNet();
        float[][] shared = unet.Run(["a", "b", "a", "b"], [2, 2], texts: [0, 1, 2, 2]);
        float[][] first = unet.Run(["a", "b"], [2]);
        AssertSame(shared[..2], first);
        float[][] alone = unet.Run(["a", "b"], [2], texts: [0, 0]);
        AssertSame(shared[2..], alone);
    }

    /// <summary>
    /// From the last coupled attention on, only targets are computed. Saved for each other image of L locations in C channels: of the
    /// matrix products q, output, cross q, cross output, the 4 C of the feed-forward, its output and the projection; both attentions;
    /// two layer norms; the last group norm; the last convolution. Added: the targets' entries are gathered three times.
    /// </summary>
    [Test]
    public void TargetsAloneHaveEqualBitsAndCostLess()
    {
        using var unet = new TinyUNet();
        var counted = new CountedKernels(unet.Device.Kernels);
        unet.Decorate(_ => counted);
        string[] images = ["a", "b", "c", "d", "e"];
        int[] sets = [3, 2];
        int[] targets = [2, 4];
        float[][] all = unet.Run(images, sets);
        var whole = counted.Counts.ToDictionary();
        counted.Clear();
        float[][] some = unet.Run(images, sets, targets: targets);
        var less = counted.Counts.ToDictionary();
        AssertSame(some, [.. targets.Select(target => all[target])]);
        long tokens = unet.Config.Channels[0] * TinyUNet.Size * TinyUNet.Size;
        long others = images.Length - targets.Length;
        var saved = new Dictionary<string, long>
        {
            ["Gemm"] = 10 * tokens * others,
            ["Attention"] = 2 * tokens * others,
            ["LayerNorm"] = 2 * tokens * others,
            ["GroupNorm"] = tokens * others,
            ["Conv2d"] = unet.Config.OutChannels * TinyUNet.Size * TinyUNet.Size * others,
        };
        foreach ((string op, (long calls, long elements)) in whole)
        {
            Assert.That(less[op].Calls, Is.EqualTo(calls), op);
            Assert.That(less[op].Elements, Is.EqualTo(elements - saved.GetValueOrDefault(op)), op);
        }

        Assert.That(less["Embed"], Is.EqualTo((3L, 3 * tokens * targets.Length)));
    }

    /// <summary>Where plain blocks follow the last attention, they too run for the targets alone, with the targets' skips.</summary>
    [TestCase("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D")]
    [TestCase("UpBlock2D", "UpBlock2D", "UpBlock2D")]
    public void TargetsAloneHaveEqualBitsInOtherStructures(string first, string second, string third)
    {
        UNetConfig config = UNetConfig.Read(ConfigReader.Parse(
            $$"""
            {"block_out_channels": [16, 16, 32], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": [2, 1, 4],
             "cross_attention_dim": 24, "transformer_layers_per_block": [1, 2, 1], "in_channels": 4,
             "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
             "up_block_types": ["{{first}}", "{{second}}", "{{third}}"]}
            """,
            "test"));
        using var unet = new TinyUNet(config: config, source: new RecipeSource("other/"));
        float[][] all = unet.Run(["a", "b", "c"], [3]);
        float[][] some = unet.Run(["a", "b", "c"], [3], targets: [0, 2]);
        AssertSame(some, [all[0], all[2]]);
    }

    /// <summary>A weight of 0 for a reference is as if it were not there; the same bias for every location is the image's bias.</summary>
    [Test]
    public void KeyBiasOfImagesAndOfLocationsAgree()
    {
        using var unet = new TinyUNet();
        string[] images = ["a", "b", "c"];
        float[] biases = [MathF.Log(0.5f), float.NegativeInfinity, 0];
        float[][] perLevel =
        [
            .. Enumerable.Range(0, unet.Config.Levels).Select(level =>
            {
                int locations = (TinyUNet.Size >> level) * (TinyUNet.Size >> level);
                return biases.SelectMany(value => Enumerable.Repeat(value, locations)).ToArray();
            }),
        ];
        float[][] byImage = unet.Run(images, [3], bias: [biases]);
        float[][] byLocation = unet.Run(images, [3], bias: perLevel);
        for (int i = 0; i < images.Length; i++)
        {
            Close.Within(byLocation[i], byImage[i], 2e-6, images[i]);
        }

        float[] dropped = unet.Run(images, [3], bias: [[0, float.NegativeInfinity, 0]])[2];
        Close.Within(dropped, unet.Run(["a", "c"], [2])[1], 2e-6, "without b");
    }

    /// <summary>Rows of attention maps add up to 1, over all keys of the set.</summary>
    [Test]
    public void ObserverSeesQueriesOfTargetsAndAllKeys()
    {
        using var unet = new TinyUNet();
        var layers = new List<int>();
        unet.Run(["a", "b", "c"], [3], targets: [1, 2], observer: (ops, layer, queries, keys, _, heads) =>
        {
            layers.Add(layer);
            Assert.That(keys.Shape[0], Is.EqualTo(3));
            Assert.That(queries.Shape[0], Is.EqualTo(layer == unet.Network.AttentionLayers - 1 ? 2 : 3));
            Tensor map = ops.AttentionMap(queries, keys, heads);
            float[] values = ops.Device.ToArray(map);
            double[] sums = [.. values.Chunk(map.Shape[1]).Select(row => row.Sum(value => (double)value))];

            // The sum of the exponentials is rounded for each key, the mean for each head, both quotients once.
            Assert.That(sums, Is.All.EqualTo(1).Within((map.Shape[1] + heads + 2) * Math.Pow(2, -24)));
        });
        Assert.That(layers, Is.EqualTo(Enumerable.Range(0, unet.Network.AttentionLayers)));
    }

    /// <summary>A run on the device without numbers tells the arena's peak to the byte.</summary>
    [Test]
    public void PlanTellsThePeak()
    {
        using var unet = new TinyUNet();
        unet.Run(["a", "b", "c"], [3], targets: [2]);
        using var plan = new PlanDevice(unet.Device);
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
        var planned = new UNet(new Weights(plan, model.Source(Component.UNet)), unet.Config);
        var ops = new Ops(plan, new Arena(plan));
        var batch = new JointBatch(ops, [3], [0, 1, 2], [2]);
        TextKeys keys = planned.EncodeText(ops, ops.New([3, TinyUNet.Tokens, unet.Config.ContextWidth]));
        planned.Run(ops, ops.New([3, TinyUNet.Size, TinyUNet.Size, 9]), ops.New([3]), keys, batch);
        Assert.That(ops.Arena.Peak, Is.EqualTo(unet.Arena.Peak));
        Assert.That(unet.Arena.Used, Is.Zero);
    }

    /// <summary>A closed scope is filled with NaN: nothing that is still wanted was in it.</summary>
    [Test]
    public void NothingIsReadAfterItsScope()
    {
        using var unet = new TinyUNet();
        float[][] plain = unet.Run(["a", "b"], [2], targets: [1]);
        unet.Arena.Poison = true;
        AssertSame(unet.Run(["a", "b"], [2], targets: [1]), plain);
    }

    [Test]
    public void WrongShapesAreSaid()
    {
        using var unet = new TinyUNet();
        var ops = unet.Ops;
        var batch = new JointBatch(ops, [1], [0]);
        TextKeys keys = unet.Network.EncodeText(ops, ops.New([1, TinyUNet.Tokens, unet.Config.ContextWidth]));
        Assert.That(
            () => unet.Network.Run(ops, ops.New([1, 12, 16, 9]), ops.New([1]), keys, batch),
            Throws.ArgumentException.With.Message.Contains("multiples of 8"));
        Assert.That(
            () => unet.Network.Run(ops, ops.New([2, 16, 16, 9]), ops.New([2]), keys, batch),
            Throws.ArgumentException.With.Message.Contains("2 images"));
        Assert.That(() => new JointBatch(ops, [2], [0]), Throws.ArgumentException);
        Assert.That(() => new JointBatch(ops, [2], [0, 2]), Throws.ArgumentException);
        Assert.That(() => new JointBatch(ops, [2], [0, 1], [1, 0]), Throws.ArgumentException);
    }

    static void AssertSame(float[][] actual, float[][] expected)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        for (int i = 0; i < actual.Length; i++)
        {
            Close.SameBits(actual[i], expected[i], $"image {i}");
        }
    }
}
