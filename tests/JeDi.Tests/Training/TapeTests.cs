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

    /// <summary>
    /// A whole step: text encoder, U-Net with and without blocks that are computed again, clipping, AdamW, new forms; or a low-rank change
    /// of every matrix and filter learns instead of these.
    /// </summary>
    [TestCase(false, false)]
    [TestCase(true, false)]
    [TestCase(false, true)]
    [TestCase(true, true)]
    public void NoBackwardCallAllocates(bool checkpoints, bool lora)
    {
        using var run = new Learning(images: 3, sets: [2, 1], checkpoints: checkpoints, text: true, lora: lora);
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

    /// <summary>The autoencoder with its draw and both losses.</summary>
    [Test]
    public void AReplayOfTheAutoencoderAllocatesNothing()
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
        Tensor weight = plain.From<float>([2], [0.5f, 0.5f]);
        var ops = new Ops(device, arena, tape: tape);
        (Tensor mean, Tensor logVariance) = encoder.Encode(ops, pixels);
        _ = ops.SquaredError(decoder.Decode(ops, ops.SampleGaussian(mean, logVariance, noise)), pixels, weight);
        _ = ops.Divergence(mean, logVariance, weight);
        tape.Backward();
        arena.Hold();
        ReplaysAllocateNothing(tape);
        tape.Release();
    }

    /// <summary>mask a + (1 - mask) b between two products: what goes back through it, twice the same, without allocating.</summary>
    [Test]
    public void ABlendGoesBackToBothAndAllocatesNothing()
    {
        using Device device = Targets.EveryLevel[0].Make();
        const int Pixels = 60;
        (float[] ofA, float[] ofB, float[] goal) = (Plain.Random(Pixels * 4, 1), Plain.Random(Pixels * 4, 2), Plain.Random(Pixels * 4, 3));
        float[] mask = [.. Plain.Random(Pixels, 4).Select(Math.Abs)];
        Parameter a = new("a", ParameterKind.Plain, [1, Pixels, 4]);
        Parameter b = new("b", ParameterKind.Plain, [1, Pixels, 4]);
        var flat = new FlatParameters(device, [a, b]);
        device.Write<float>(a.Value, ofA);
        device.Write<float>(b.Value, ofB);
        var arena = new Arena(device);
        var tape = new Tape(device, flat.Parameters);
        var ops = new Ops(device, arena, tape: tape);
        Tensor y = ops.Blend(ops.From<float>([1, Pixels, 1], mask), a.Value, b.Value);
        _ = ops.SquaredError(y, ops.From<float>(y.Shape, goal), ops.From<float>([1], [1]));
        tape.Backward();
        arena.Hold();
        double[] slope = [.. goal.Select((t, i) =>
            2.0 / goal.Length * ((double)mask[i / 4] * ofA[i] + (1 - (double)mask[i / 4]) * ofB[i] - t))];

        // Three roundings of the blend, two of the slope, one of the product; single precision's unit is 2^-24.
        double tolerance = 6 * Math.Pow(2, -24) * 4;
        Close.Within(device.ToArray(a.Gradient), [.. slope.Select((d, i) => mask[i / 4] * d)], tolerance, "da");
        Close.Within(device.ToArray(b.Gradient), [.. slope.Select((d, i) => (1 - (double)mask[i / 4]) * d)], tolerance, "db");
        float[] once = device.ToArray(flat.Gradients);
        device.Fill(flat.Gradients, 0);
        tape.Replay();
        Close.SameBits(device.ToArray(flat.Gradients), once, "a replay");
        ReplaysAllocateNothing(tape);
        tape.Release();
    }

    static void ReplaysAllocateNothing(Tape tape)
    {
        tape.Replay();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        tape.Replay();
        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.Zero, "managed bytes, on all threads");
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

        public Learning(
            int images, int[] sets, int threads = 0, bool checkpoints = false, bool text = false, int shares = 1, bool lora = false)
        {
            Device = Targets.Make(Targets.EveryLevel[0].Name, threads);
            this.images = images;
            this.checkpoints = checkpoints;
            using Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
            var weights = new Weights(Device, model.Source(Component.UNet));
            var textWeights = new Weights(Device, model.Source(Component.TextEncoder));
            network = new UNet(weights, model.UNet);
            this.text = text ? new ClipText(textWeights, model.Text) : null;
            arena = new Arena(Device);
            Parameter[] all = [.. weights.Asked, .. textWeights.Asked];
            Flat = new FlatParameters(Device, lora ? Adapters(all) : all);
            Weights.Load(Device, [weights, textWeights]);
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

        /// <summary>Hangs one on every matrix and filter, and gives what of them learns.</summary>
        Parameter[] Adapters(Parameter[] all)
        {
            const int Rank = 2;
            Tensor scale = new Ops(Device, arena).From<float>([1], [0.5f]);
            return [.. all
                .Where(one => one.Kind is ParameterKind.Matrix or ParameterKind.GegluMatrix or ParameterKind.Convolution)
                .SelectMany(one =>
                {
                    (Shape down, Shape up) = Adapter.Shapes(one, Rank);
                    ParameterKind kind = one.Kind == ParameterKind.Convolution ? one.Kind : ParameterKind.Matrix;
                    Parameter first = new($"{one.Name}.down", kind, down);
                    Parameter second = new($"{one.Name}.up", ParameterKind.Matrix, up);
                    one.Adapter = new Adapter(one, first, second, scale);
                    return new[] { first, second };
                })];
        }

        float[] Each(string[] names, string what, Tensor all) =>
            [.. names.SelectMany(name => Recipe.Tensor($"tape/{name}/{what}", (int)(all.Count / images)))];
    }
}
