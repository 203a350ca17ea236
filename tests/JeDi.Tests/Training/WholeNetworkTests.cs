using System.Numerics;
using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Training;

/// <summary>
/// Whole networks' gradients by directional derivatives of the same networks, evaluated in double precision by plain loops
/// (<see cref="PlainDevice{T}"/>).
/// </summary>
public sealed class WholeNetworkTests
{
    /// <summary>Of central differences in double: rounding adds 1e-11 of the loss, the third derivative enters with the square.</summary>
    const double Distance = 1.0 / (1 << 14);

    /// <summary>Random signs of so many draws leave six deviations once in 5e8.</summary>
    const double Deviations = 6;

    [Test]
    public void TheTextEncoder() => Check(Text, Module);

    [Test]
    public void TheAutoencoder() => Check(Autoencoder, Module);

    /// <summary>Sets of two and of one image in a batch; the text encoder learns with it.</summary>
    [Test]
    public void TheUNetBehindTheTextEncoder() => Check(UNetAndText, Block);

    static Network Text(Device device, Checkpoint model, Ops ops)
    {
        var weights = new Weights(device, model.Source(Component.TextEncoder));
        var text = new ClipText(weights, model.Text);
        return new Network([weights], () =>
        {
            Tensor ids = Ids(ops, model, 2);
            Tensor target = Numbers(ops, "target", [2, model.Text.Positions, model.Text.Width]);
            Tensor weight = ops.From<float>([2], [0.25f, 0.75f]);
            return taped =>
            {
                Tensor states = text.Encode(taped, ids);
                return (states, [taped.SquaredError(states, target, weight)]);
            };
        });
    }

    static Network Autoencoder(Device device, Checkpoint model, Ops ops)
    {
        var weights = new Weights(device, model.Source(Component.Vae));
        var encoder = new VaeEncoder(weights, model.Vae);
        var decoder = new VaeDecoder(weights, model.Vae);
        return new Network([weights], () =>
        {
            Tensor pixels = Numbers(ops, "pixels", [2, 16, 16, 3]);
            Tensor noise = Numbers(ops, "noise", [2, 2, 2, model.Vae.LatentChannels]);
            Tensor weight = ops.From<float>([2], [0.25f, 0.75f]);
            Tensor ofDivergence = ops.From<float>([2], [0.01f, 0.02f]);
            return taped =>
            {
                (Tensor mean, Tensor logVariance) = encoder.Encode(taped, pixels);
                Tensor rebuilt = decoder.Decode(taped, taped.SampleGaussian(mean, logVariance, noise));
                return (rebuilt, [taped.SquaredError(rebuilt, pixels, weight), taped.Divergence(mean, logVariance, ofDivergence)]);
            };
        });
    }

    static Network UNetAndText(Device device, Checkpoint model, Ops ops)
    {
        var textWeights = new Weights(device, model.Source(Component.TextEncoder));
        var weights = new Weights(device, model.Source(Component.UNet));
        var text = new ClipText(textWeights, model.Text);
        var unet = new UNet(weights, model.UNet);
        return new Network([textWeights, weights], () =>
        {
            Tensor ids = Ids(ops, model, 3);
            Tensor x = Numbers(ops, "x", [3, 8, 8, model.UNet.InChannels]);
            Tensor times = ops.From<float>([3], [37, 37, 801]);
            Tensor target = Numbers(ops, "target", [3, 8, 8, model.UNet.OutChannels]);
            Tensor weight = ops.From<float>([3], [0.25f, 0.5f, 0.25f]);
            var batch = new JointBatch(ops, [2, 1], [0, 1, 2]);
            return taped =>
            {
                Tensor predicted = unet.Run(taped, x, times, unet.EncodeText(taped, text.Encode(taped, ids)), batch);
                return (predicted, [taped.SquaredError(predicted, target, weight)]);
            };
        });
    }

    static Tensor Ids(Ops ops, Checkpoint model, int images) => ops.From<int>(
        [images, model.Text.Positions],
        [.. Enumerable.Range(0, images * model.Text.Positions).Select(i => i * 7 % model.Text.Vocabulary)]);

    static Tensor Numbers(Ops ops, string name, Shape shape) => ops.From<float>(shape, Recipe.Tensor($"whole/{name}", (int)shape.Count));

    /// <summary>
    /// For each part of the network: along its gradient g the loss changes by |g|, along random signs by their product with g. Single
    /// precision may put g off by 4 times what it does to the network's result, evaluated by plain loops, plus 2e-6 (docs/numerics.md);
    /// of an error that knows nothing of the signs, their product sees the part 1 / sqrt(n). With blocks that are computed again the
    /// gradient has the same bits.
    /// </summary>
    static void Check(Func<Device, Checkpoint, Ops, Network> make, Func<string, string> partOf)
    {
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
        using Device cpu = Targets.EveryLevel[0].Make();
        using var wide = new PlainDevice<double>();
        using var single = new PlainDevice<float>();
        var learning = new Evaluation(cpu, model, make, gradients: true);
        var exact = new Evaluation(wide, model, make);
        var plain = new Evaluation(single, model, make);
        float[] gradient = learning.Gradient(checkpoints: false);
        Close.SameBits(learning.Gradient(checkpoints: true), gradient, "gradient with blocks that are computed again");

        double error = Comparison.Of(single.Take(plain.Output), wide.Take(exact.Output)).Relative;
        double tolerance = 4 * error + 2e-6;
        double[] values = wide.Take(exact.Flat.Values);
        var random = new Random(1);
        foreach (IGrouping<string, Parameter> part in exact.Flat.Parameters.GroupBy(parameter => partOf(parameter.Name)))
        {
            int[] places = [.. part.SelectMany(one => Enumerable.Range(exact.Flat.First(one), (int)one.Shape.Count))];
            double[] g = [.. places.Select(place => (double)gradient[place])];
            double length = Length(g);
            Assert.That(length, Is.GreaterThan(0), part.Key);
            Expect(part.Key, g, length * tolerance);
            double[] signs = [.. g.Select(_ => random.Next(2) * 2.0 - 1)];
            Expect(part.Key, signs, Deviations / Math.Sqrt(g.Length) * length * tolerance);

            void Expect(string name, double[] direction, double allowed)
            {
                double unit = 1 / Length(direction);
                double expected = direction.Zip(g, (d, slope) => d * slope * unit).Sum();
                double difference = (At(Distance * unit) - At(-Distance * unit)) / (2 * Distance);
                Assert.That(difference, Is.EqualTo(expected).Within(allowed), $"{name}, |g| {length:g3}, of {g.Length} values");

                double At(double step)
                {
                    for (int i = 0; i < places.Length; i++)
                    {
                        wide.Of(exact.Flat.Values)[places[i]] = values[places[i]] + step * direction[i];
                    }

                    double loss = exact.Evaluate();
                    foreach (int place in places)
                    {
                        wide.Of(exact.Flat.Values)[place] = values[place];
                    }

                    return loss;
                }
            }
        }
    }

    static double Length(double[] vector) => Math.Sqrt(vector.Sum(value => value * value));

    /// <summary>Of encoder.layers.0.self_attn.k_proj.bias: encoder.layers.0.self_attn.</summary>
    static string Module(string name) => string.Join('.', name.Split('.')[..^2]);

    /// <summary>Of down_blocks.0.resnets.1.conv1.weight: down_blocks.0; of conv_in.weight: conv_in.</summary>
    static string Block(string name)
    {
        string[] names = name.Split('.');
        int number = Array.FindIndex(names, one => char.IsAsciiDigit(one[0]));
        return string.Join('.', names[..(number < 0 ? 1 : number + 1)]);
    }

    /// <summary>What asks for weights, and, when these are loaded, gives what computes its output and its losses.</summary>
    sealed record Network(Weights[] Weights, Func<Func<Ops, (Tensor Output, Tensor[] Losses)>> Begin);

    /// <summary>A network on one device.</summary>
    sealed class Evaluation
    {
        readonly Device device;
        readonly Func<Ops, (Tensor Output, Tensor[] Losses)> run;

        public Evaluation(Device device, Checkpoint model, Func<Device, Checkpoint, Ops, Network> make, bool gradients = false)
        {
            this.device = device;
            Arena = new Arena(device);
            Network network = make(device, model, new Ops(device, Arena));
            Flat = new FlatParameters(device, [.. network.Weights.SelectMany(weights => weights.Asked)], gradients);
            Weights.Load(device, network.Weights);
            run = network.Begin();
        }

        public Arena Arena { get; }

        public FlatParameters Flat { get; }

        /// <summary>In the arena, made anew.</summary>
        public Tensor Output => run(new Ops(device, Arena)).Output;

        /// <summary>On a tape.</summary>
        public float[] Gradient(bool checkpoints)
        {
            device.Fill(Flat.Gradients, 0);
            var tape = new Tape(device, Flat.Parameters);
            _ = run(new Ops(device, Arena, tape: tape) { Checkpoints = checkpoints });
            tape.Backward();
            tape.Release();
            return device.ToArray(Flat.Gradients);
        }

        public double Evaluate()
        {
            using ArenaScope scope = Arena.Scope();
            return run(new Ops(device, Arena)).Losses.Sum(loss => ((PlainDevice<double>)device).Take(loss).Sum());
        }
    }
}
