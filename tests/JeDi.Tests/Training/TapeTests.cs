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
