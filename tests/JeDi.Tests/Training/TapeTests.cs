using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Training;

/// <summary>What holds of recorded steps, whatever the network.</summary>
public sealed class TapeTests
{
    const int Tokens = 77;
    const int Side = 8;

    /// <summary>
    /// Central differences at a distance of 2^-10: the loss has an error of 2^-23 and changes by 2^-9 times the gradient's length (at
    /// least a quarter), and the third derivative enters with the distance's square.
    /// </summary>
    const double OfDifferences = 1e-3;

    [Test]
    public void AReplayGivesTheBitsOfTheRecordingAndAllocatesNothing()
    {
        using var run = new Learning(images: 3, sets: [2, 1]);
        run.Write(["a", "b", "c"]);
        run.Record();
        float[] recorded = run.Gradients();
        run.Write(["d", "e", "f"]);
        run.Clear();
        run.Tape.Replay();
        Assert.That(run.Gradients(), Is.Not.EqualTo(recorded));
        run.Write(["a", "b", "c"]);
        run.Clear();
        long before = GC.GetAllocatedBytesForCurrentThread();
        run.Tape.Replay();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero, "managed bytes");
        Close.SameBits(run.Gradients(), recorded, "gradients");
    }

    [Test]
    public void BlocksThatAreComputedAgainGiveTheSameBitsInLessMemory()
    {
        using var kept = new Learning(images: 2, sets: [2]);
        using var again = new Learning(images: 2, sets: [2], checkpoints: true);
        float[][] gradients = [.. new[] { kept, again }.Select(run =>
        {
            run.Write(["a", "b"]);
            run.Record();
            run.Clear();
            run.Tape.Replay();
            return run.Gradients();
        })];
        Close.SameBits(gradients[1], gradients[0], "gradients");
        Assert.That(again.ActivationBytes, Is.LessThan(kept.ActivationBytes / 2));
    }

    /// <summary>A whole step: text encoder, U-Net with and without blocks that are computed again, clipping, AdamW, new forms.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void NoBackwardCallAllocates(bool checkpoints)
    {
        using var run = new Learning(images: 3, sets: [2, 1], checkpoints: checkpoints, text: true);
        using var optimiser = new JeDi.Training.Optimiser(run.Device, run.Flat);
        run.Write(["a", "b", "c"]);
        run.Record();
        Step(1);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        Step(2);
        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.Zero, "managed bytes, on all threads");

        void Step(int update)
        {
            run.Tape.Replay();
            optimiser.Measure(1);
            optimiser.Update(update, 1e-4, 0.9, 0.999, 1e-8, 0.01, 0.99);
        }
    }

    /// <summary>Four images at once or one by one, on one to three threads.</summary>
    [Test]
    public void GradientsDependNeitherOnTheBatchNorOnThreads()
    {
        string[] names = ["a", "b", "c", "d"];
        float[]? expected = null;
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using var together = new Learning(images: 4, sets: [1, 1, 1, 1], threads: threads);
            together.Write(names);
            together.Record();
            expected ??= together.Gradients();
            Close.SameBits(together.Gradients(), expected, $"1 x 4 images, {threads} threads");
            using var single = new Learning(images: 1, sets: [1], threads: threads, shares: 4);
            foreach (string name in names)
            {
                single.Write([name]);
                if (name == names[0])
                {
                    single.Record();
                }
                else
                {
                    single.Tape.Replay();
                }
            }

            Close.SameBits(single.Gradients(), expected, $"4 x 1 images, {threads} threads");
        }
    }

    [Test]
    public void TheTextEncoderLearnsThroughTheUNet()
    {
        using var run = new Learning(images: 2, sets: [2], text: true);
        run.Write(["a", "b"]);
        run.Record();
        Directional(run.Device, run.Flat, () => run.Evaluate(), run.Gradients());
        foreach (Parameter parameter in run.Flat.Parameters)
        {
            Assert.That(run.Device.ToArray(parameter.Gradient).Max(Math.Abs), Is.GreaterThan(0), parameter.Name);
        }
    }

    [TestCase(false)]
    [TestCase(true)]
    public void TheAutoencoderLearns(bool checkpoints)
    {
        using Device device = Targets.EveryLevel[0].Make();
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
        var weights = new Weights(device, model.Source(Component.Vae));
        var encoder = new VaeEncoder(weights, model.Vae);
        var decoder = new VaeDecoder(weights, model.Vae);
        var flat = new FlatParameters(device, weights.Asked);
        weights.Load();
        var arena = new Arena(device);
        var tape = new Tape(device, flat.Parameters);
        var plain = new Ops(device, arena);
        Tensor pixels = plain.From<float>([2, 16, 16, 3], Recipe.Tensor("tape/pixels", 2 * 16 * 16 * 3));
        Tensor noise = plain.From<float>([2, 2, 2, 4], Recipe.Tensor("tape/noise", 2 * 2 * 2 * 4));
        Tensor ofError = plain.From<float>([2], [0.5f, 0.5f]);
        Tensor ofDivergence = plain.From<float>([2], [0.01f, 0.02f]);
        _ = Loss(new Ops(device, arena, tape: tape) { Checkpoints = checkpoints });
        tape.Backward();
        arena.Hold();
        Directional(device, flat, () => Loss(plain), device.ToArray(flat.Gradients));
        long before = GC.GetTotalAllocatedBytes(precise: true);
        tape.Replay();
        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.Zero, "managed bytes of a replay");
        tape.Release();
        arena.Release();

        double Loss(Ops ops)
        {
            using ArenaScope scope = ops.Scope();
            (Tensor mean, Tensor logVariance) = encoder.Encode(ops, pixels);
            Tensor error = ops.SquaredError(decoder.Decode(ops, ops.SampleGaussian(mean, logVariance, noise)), pixels, ofError);
            Tensor divergence = ops.Divergence(mean, logVariance, ofDivergence);
            return device.ToArray(error).Sum(value => (double)value) + device.ToArray(divergence).Sum(value => (double)value);
        }
    }

    /// <summary>Along the gradient the loss changes by the gradient's length.</summary>
    static void Directional(Device device, FlatParameters flat, Func<double> loss, float[] gradient)
    {
        double length = Math.Sqrt(gradient.Sum(value => (double)value * value));
        float[] values = device.ToArray(flat.Values);
        double step = 1.0 / 1024 / length;
        double difference = (At(step) - At(-step)) / (2 * step);
        At(0);
        Assert.That(difference, Is.EqualTo(length * length).Within(OfDifferences * length * length));

        double At(double distance)
        {
            device.Write<float>(flat.Values, [.. values.Select((value, i) => (float)(value + distance * gradient[i]))]);
            flat.Rebuild();
            return loss();
        }
    }

    /// <summary>The tiny U-Net with recipe inputs that follow from images' names.</summary>
    sealed class Learning : IDisposable
    {
        readonly UNet network;
        readonly ClipText? text;
        readonly int images;
        readonly bool checkpoints;
        readonly Arena arena;
        readonly Tensor x;
        readonly Tensor times;
        readonly Tensor context;
        readonly Tensor ids;
        readonly Tensor target;
        readonly Tensor weight;
        readonly JointBatch batch;

        public Learning(int images, int[] sets, int threads = 0, bool checkpoints = false, bool text = false, int shares = 1)
        {
            Device = Targets.Make(Targets.EveryLevel[0].Name, threads);
            this.images = images;
            this.checkpoints = checkpoints;
            using Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
            var weights = new Weights(Device, model.Source(Component.UNet));
            var textWeights = new Weights(Device, model.Source(Component.TextEncoder));
            network = new UNet(weights, model.UNet);
            this.text = text ? new ClipText(textWeights, model.Text) : null;
            Flat = new FlatParameters(Device, [.. weights.Asked, .. textWeights.Asked]);
            Weights.Load(Device, [weights, textWeights]);
            arena = new Arena(Device);
            Tape = new Tape(Device, Flat.Parameters);
            var ops = new Ops(Device, arena);
            x = ops.New([images, Side, Side, 9]);
            times = ops.New([images]);
            context = ops.New([images, Tokens, model.UNet.ContextWidth]);
            ids = ops.From<int>([images, Tokens], [.. Enumerable.Range(0, images * Tokens).Select(i => i * 7 % 512)]);
            target = ops.New([images, Side, Side, 4]);
            weight = ops.From<float>([images], [.. Enumerable.Repeat(1f / (images * shares), images)]);
            batch = new JointBatch(ops, sets, [.. Enumerable.Range(0, images)]);
        }

        public Device Device { get; }

        public FlatParameters Flat { get; }

        public Tape Tape { get; }

        public long ActivationBytes => arena.Peak;

        public void Write(string[] names)
        {
            Device.Write<float>(x, Each(names, "x", x));
            Device.Write<float>(target, Each(names, "target", target));
            Device.Write<float>(context, Each(names, "context", context));
            Device.Write<float>(times, [.. names.Select(name => 37f + Recipe.Hash(name) % 900)]);
        }

        public void Record()
        {
            Loss(new Ops(Device, arena, tape: Tape) { Checkpoints = checkpoints });
            Tape.Backward();
            arena.Hold();
        }

        public double Evaluate()
        {
            var ops = new Ops(Device, arena);
            using ArenaScope scope = arena.Scope();
            return Device.ToArray(Loss(ops)).Sum(value => (double)value);
        }

        public void Clear() => Device.Fill(Flat.Gradients, 0);

        public float[] Gradients() => Device.ToArray(Flat.Gradients);

        public void Dispose()
        {
            Tape.Release();
            Device.Dispose();
        }

        Tensor Loss(Ops ops)
        {
            TextKeys keys = network.EncodeText(ops, text is null ? context : text.Encode(ops, ids));
            return ops.SquaredError(network.Run(ops, x, times, keys, batch), target, weight);
        }

        float[] Each(string[] names, string what, Tensor all) =>
            [.. names.SelectMany(name => Recipe.Tensor($"tape/{name}/{what}", (int)(all.Count / images)))];
    }
}
