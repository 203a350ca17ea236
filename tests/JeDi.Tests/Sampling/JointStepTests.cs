using JeDi.Cpu;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Tests.Sampling;

/// <summary>What has no golden: who may influence a picture, and who may not.</summary>
public sealed class JointStepTests
{
    static readonly SamplerPlan plan = Sampler.Plan("euler-a", NoiseSchedule.StableDiffusion, 4);
    static readonly JointShape shape = new(Sets: 1, References: 2, Targets: 1, Height: 8, Width: 16, GuidanceMode.Joint);

    Device device = null!;
    UNet network = null!;

    [OneTimeSetUp]
    public void Load()
    {
        device = new CpuDevice(threads: 2);
        network = JointRun.Tiny(device);
    }

    [OneTimeTearDown]
    public void Unload() => device.Dispose();

    [Test]
    public void AStepAllocatesNothing([Values("ddim", "euler-a", "unipc")] string sampler)
    {
        SamplerPlan rows = Sampler.Plan(sampler, NoiseSchedule.StableDiffusion, 6);
        JointShape all = shape with { FreshReferenceNoise = true, KeyBias = KeyBiasKind.PerLocation, Rescale = true, Inpaint = true };
        using var run = new JointRun(device, network, all, rows);
        run.State.Write(run.Inputs() with { Attention = [new(Weight: 0.5, Inside: new float[8 * 16])] });
        run.Step(0);
        run.Step(1);
        run.Freeze();
        long bytes = run.ArenaBytes;
        long before = GC.GetTotalAllocatedBytes(precise: true);
        run.Step(2);
        run.Step(3);
        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.Zero, "managed bytes");
        Assert.That(run.ArenaBytes, Is.EqualTo(bytes), "device bytes");
    }

    [Test]
    public void ASetDoesNotDependOnItsBatch([Values] GuidanceMode mode)
    {
        JointShape one = shape with { Guidance = mode, Targets = 2 };
        using var both = new JointRun(device, network, one with { Sets = 2 }, plan);
        using var single = new JointRun(device, network, one, plan);
        float[] together = both.Run(both.Inputs())[^1];
        for (int set = 0; set < 2; set++)
        {
            Assert.That(together.Chunk(together.Length / 2).ElementAt(set), Is.EqualTo(single.Run(single.Inputs(set))[^1]), $"set {set}");
        }
    }

    [Test]
    public void TheSameStateRunsTwiceWithEqualBits()
    {
        using var run = new JointRun(device, network, shape, plan);
        float[][] first = run.Run(run.Inputs());
        run.Run(run.Inputs(firstSet: 5));
        Assert.That(run.Run(run.Inputs()), Is.EqualTo(first));
    }

    [Test]
    public void ReferencesAndTheirCaptionsMatter()
    {
        using var run = new JointRun(device, network, shape, plan);
        JointInputs inputs = run.Inputs();
        float[] picture = run.Run(inputs)[^1];
        Assert.That(run.Run(inputs with { References = [.. inputs.References.Reverse()] })[^1], Is.Not.EqualTo(picture));
        Assert.That(run.Run(inputs with { Texts = [.. inputs.Texts.Reverse()] })[^1], Is.Not.EqualTo(picture));
    }

    [Test]
    public void ADroppedReferenceIsNoReference([Values("weight", "time", "mask")] string how)
    {
        ReferenceAttention dropped = how switch
        {
            "weight" => new(Weight: 0),
            "time" => new(Start: 1),
            _ => new(Inside: new float[8 * 16]),
        };
        using var with = new JointRun(device, network, shape with { KeyBias = ReferenceAttention.KindOf([dropped]) }, plan);
        using var without = new JointRun(device, network, shape with { References = 0 }, plan);
        JointInputs alone = without.Inputs();
        int text = 77 * network.Config.ContextWidth;
        JointInputs inputs = with.Inputs() with { Attention = [dropped, dropped] };
        TextEntry[] entries = [.. with.Shape.Texts(network.Config)];
        int own = Array.FindIndex(entries, entry => entry is { Kind: TextKind.Own, Image: 2 });
        alone.Texts.AsSpan(text, text).CopyTo(inputs.Texts.AsSpan(own * text));
        JointRun.AssertClose(with.Run(inputs)[^1], without.Run(alone)[^1]);
    }

    [Test]
    public void AFullReferenceIsAPlainReference()
    {
        using var plain = new JointRun(device, network, shape, plan);
        float[][] expected = plain.Run(plain.Inputs());
        foreach (KeyBiasKind kind in new[] { KeyBiasKind.PerImage, KeyBiasKind.PerLocation })
        {
            using var biased = new JointRun(device, network, shape with { KeyBias = kind }, plan);
            ReferenceAttention full = new(Inside: kind == KeyBiasKind.PerLocation ? [.. Enumerable.Repeat(0.6f, 8 * 16)] : null);
            JointRun.AssertClose(biased.Run(biased.Inputs() with { Attention = [full, full] })[^1], expected[^1]);
        }
    }

    [Test]
    public void AReferenceComesAndGoesWithItsShareOfTheRun()
    {
        using var run = new JointRun(device, network, shape with { KeyBias = KeyBiasKind.PerImage }, plan);
        JointInputs inputs = run.Inputs();
        float[][] always = run.Run(inputs with { Attention = [new(), new()] });
        float[][] firstHalf = run.Run(inputs with { Attention = [new(End: 0.5), new()] });
        float[][] weaker = run.Run(inputs with { Attention = [new(Weight: 0.5), new()] });
        Assert.That(firstHalf[1], Is.EqualTo(always[1]));
        Assert.That(firstHalf[2], Is.Not.EqualTo(always[2]));
        Assert.That(weaker[0], Is.Not.EqualTo(always[0]));
    }

    /// <summary>Both evaluations of a step of Heun see the same references, whatever share is asked for.</summary>
    [Test]
    public void AReferenceComesAndGoesBetweenStepsOfHeun([Values(0.1, 0.25, 0.3, 0.6, 0.75, 0.9)] double share)
    {
        const int Steps = 4;
        SamplerPlan heun = Sampler.Plan("heun", NoiseSchedule.StableDiffusion, Steps);
        using var run = new JointRun(device, network, shape with { References = 1, KeyBias = KeyBiasKind.PerImage }, heun);
        JointInputs inputs = run.Inputs();
        float[][] always = run.Run(inputs with { Attention = [new()] });
        float[][] never = run.Run(inputs with { Attention = [new(Weight: 0)] });
        int expected = Math.Min(2 * (int)Math.Ceiling(Steps * share), heun.Rows.Count);
        Assert.That(FirstDifference(run.Run(inputs with { Attention = [new(End: share)] }), always), Is.EqualTo(expected), "goes out");
        Assert.That(FirstDifference(run.Run(inputs with { Attention = [new(Start: share)] }), never), Is.EqualTo(expected), "comes in");

        static int FirstDifference(float[][] a, float[][] b) => a.Zip(b).TakeWhile(pair => pair.First.SequenceEqual(pair.Second)).Count();
    }

    [Test]
    public void FreshNoiseThatStaysTheSameIsKeptNoise()
    {
        using var kept = new JointRun(device, network, shape, plan);
        using var fresh = new JointRun(device, network, shape with { FreshReferenceNoise = true }, plan);
        JointInputs inputs = kept.Inputs();
        float[] repeated = [.. Enumerable.Repeat(inputs.ReferenceNoise, 4).SelectMany(noise => noise)];
        Assert.That(fresh.Run(inputs with { ReferenceNoise = repeated }), Is.EqualTo(kept.Run(inputs)));
        Assert.That(fresh.Run(fresh.Inputs())[^1], Is.Not.EqualTo(kept.Run(inputs)[^1]));
    }

    [Test]
    public void ScaleOneIsTheFullConditionAlone([Values] GuidanceMode mode)
    {
        using var guided = new JointRun(device, network, shape with { Guidance = mode }, plan);
        using var unguided = new JointRun(device, network, shape with { Guidance = mode, Unguided = true }, plan);
        JointInputs inputs = guided.Inputs() with { TextScale = 1, ImageScale = 1 };
        int own = unguided.Inputs().Texts.Length;
        JointRun.AssertClose(unguided.Run(inputs with { Texts = inputs.Texts[^own..] })[^1], guided.Run(inputs)[^1]);
    }

    [Test]
    public void RepaintingEverythingIsNoInpainting()
    {
        using var plain = new JointRun(device, network, shape, plan);
        using var inpaint = new JointRun(device, network, shape with { Inpaint = true }, plan);
        JointInputs inputs = inpaint.Inputs();
        float[] everything = [.. inputs.InpaintMask.Select(_ => 1f)];
        Assert.That(inpaint.Run(inputs with { InpaintMask = everything }), Is.EqualTo(plain.Run(inputs)));
        Assert.That(inpaint.Run(inputs with { InpaintMask = new float[everything.Length] })[^1], Is.EqualTo(inputs.Images));
        float[] half = inpaint.Run(inputs)[^1];
        Assert.That(half.Where(IsKnown), Is.EqualTo(inputs.Images.Where(IsKnown)));

        bool IsKnown(float value, int i) => inputs.InpaintMask[i / 4] == 0;
    }

    [Test]
    public void RescaleMatchesTheDeviationOfTheFullCondition()
    {
        using var run = new JointRun(device, network, shape with { Rescale = true, Targets = 2 }, plan);
        using var plain = new JointRun(device, network, shape with { Targets = 2 }, plan);
        using var unguided = new JointRun(device, network, shape with { Targets = 2, Unguided = true }, plan);
        JointInputs inputs = run.Inputs();
        Assert.That(run.Run(inputs with { Rescale = 0 }), Is.EqualTo(plain.Run(inputs)), "a factor of 1");
        float[] own = inputs.Texts[^unguided.Inputs().Texts.Length..];
        double[] wanted = [.. Predictions(unguided, inputs with { TextScale = 1, ImageScale = 1, Texts = own }).Select(Deviation)];
        double[] guided = [.. Predictions(run, inputs with { Rescale = 0 }).Select(Deviation)];
        foreach (double amount in new[] { 0.5, 1 })
        {
            float[][] rescaled = Predictions(run, inputs with { Rescale = amount });
            for (int i = 0; i < 2; i++)
            {
                // Factor and product are rounded once each, which moves a deviation by at most that share of the root mean square.
                double size = Math.Sqrt(rescaled[i].Sum(value => (double)value * value) / (rescaled[i].Length - 1));
                double expected = amount * wanted[i] + (1 - amount) * guided[i];
                Assert.That(Deviation(rescaled[i]), Is.EqualTo(expected).Within(Math.Pow(2, -23) * size), $"{amount}: target {i}");
            }
        }
    }

    /// <summary>A checkpoint with the usual order of inpainting channels is the same network with its first filter permuted.</summary>
    [Test]
    public void TheOtherInputLayoutGivesEqualPictures()
    {
        UNet permuted = Weights.Load(
            device,
            new NoisyFirst(new RecipeSource("unet-tiny-9/")),
            w => new UNet(w, network.Config with { InputLayout = InputLayout.NoisyMaskClean }));
        using var usual = new JointRun(device, network, shape, plan);
        using var other = new JointRun(device, permuted, shape, plan);
        JointRun.AssertClose(other.Run(other.Inputs())[^1], usual.Run(usual.Inputs())[^1]);
    }

    /// <summary>Each target's guided prediction after the first evaluation.</summary>
    static float[][] Predictions(JointRun run, JointInputs inputs)
    {
        run.State.Write(inputs);
        run.Step(0);
        Tensor eps = run.State.States[SamplerPlan.Prediction];
        float[] values = eps.Device.ToArray(eps);
        return [.. values.Chunk(values.Length / run.Shape.AllTargets)];
    }

    static double Deviation(float[] values)
    {
        double mean = values.Average(value => (double)value);
        return Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1));
    }

    /// <summary>The first filter's inputs in the order noisy, mask, clean; stored in the order mask, noisy, clean.</summary>
    sealed class NoisyFirst(IWeightSource inner) : IWeightSource
    {
        static readonly int[] order = [1, 2, 3, 4, 0, 5, 6, 7, 8];

        public string Origin => inner.Origin;

        public bool TryFind(string name, Shape wanted, out Shape stored, out DType type) =>
            inner.TryFind(name, wanted, out stored, out type);

        public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
        {
            inner.Read(name, stored, destination, from);
            if (name == "conv_in.weight")
            {
                int filter = 4 * stored[2] * stored[3];
                byte[] source = destination.ToArray();
                for (int i = 0; i < source.Length / filter; i++)
                {
                    source.AsSpan((i / 9 * 9 + order[i % 9]) * filter, filter).CopyTo(destination[(i * filter)..]);
                }
            }
        }
    }
}
