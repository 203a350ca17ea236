using System.Text.Json;
using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Golden;
using JeDi.Training;

namespace JeDi.Tests.Models;

/// <summary>Golden gradients of whole U-Nets, and golden training steps: every parameter by its digest, some element by element.</summary>
public static class UNetGradientCases
{
    /// <summary>Gradients of the mean squared error against the recipe's target.</summary>
    public static void Run(GoldenCase c)
    {
        UNetConfig config = UNetCases.Config(c.Config, c.Int("in_channels"));
        using var run = new Learner(c, config);
        int sets = c.Int("sets");
        int images = sets * c.Int("images");
        Shape x = [images, config.InChannels, c.Int("height"), c.Int("width")];
        Shape y = [images, config.OutChannels, x[2], x[3]];
        Shape context = [images, c.Int("context_len"), config.ContextWidth];
        float[] timesteps = [.. c.Json.GetProperty("timesteps").EnumerateArray().Select(t => t.GetSingle())];
        Ops ops = run.Ops;
        Tensor predicted = run.Predict(
            ops.From<float>([images, x[2], x[3], x[1]], c.InputNhwc("x", x)),
            ops.From<float>([images], timesteps),
            ops.From<float>(context, c.Input("context", context)),
            [.. Enumerable.Repeat(images / sets, sets)]);
        Tensor target = ops.From<float>(predicted.Shape, c.InputNhwc("target", y));
        Tensor loss = ops.SquaredError(predicted, target, run.Mean(images));
        run.Tape.Backward();

        double tolerance = 4 * Errors(c).Append(c.Json.GetProperty("grad_digest_float32_error").GetDouble()).Max() + 2e-6;
        ExpectNumber(c, "loss", c.Device.ToArray(loss).Sum(), c.Json.GetProperty("loss").GetDouble(), tolerance);
        foreach (Parameter parameter in run.Flat.Parameters)
        {
            float[] gradient = AsStored(parameter, c.Device.ToArray(parameter.Gradient));
            ExpectDigest(c, "grad_digest", parameter.Name, gradient, tolerance, 0);
            string key = $"{c.Tag}/grad/{parameter.Name}";
            if (c.Has(key))
            {
                c.Expect(key, gradient, c.ModelTolerance(key));
            }
        }
    }

    /// <summary>
    /// Steps of AdamW with clipping and averaging, as the paper's training takes them. AdamW divides a gradient by its size: an element
    /// whose gradient is within single precision's error of 0 moves by the rate in either direction. One such element of each tensor may
    /// differ, by twice the rate in each step: in the tensor's product with a direction, not (to first order) in its length, and, from the
    /// second step on, in the gradient.
    /// </summary>
    public static void Train(GoldenCase c)
    {
        UNetConfig config = Checkpoint.FromRecipe("tiny", 9).UNet;
        using var run = new Learner(c, config);
        JsonElement adam = c.Json.GetProperty("optimizer");
        using var optimiser = new Optimiser(c.Device, run.Flat);
        double tolerance = 4 * c.Json.GetProperty("parameter_digest_float32_error").GetDouble() + 2e-6;
        double rate = Number(adam, "lr");
        int step = 0;
        foreach (JsonElement expected in c.Json.GetProperty("steps").EnumerateArray())
        {
            double loss = run.Step(c, expected, step++);
            double norm = optimiser.Measure(Number(adam, "clip_grad_norm"));
            ExpectNumber(c, $"loss of step {step}", loss, expected.GetProperty("loss").GetDouble(), tolerance);
            ExpectNumber(c, $"gradient of step {step}", norm, expected.GetProperty("grad_norm").GetDouble(),
                tolerance + 2 * rate * (step - 1));
            optimiser.Update(
                step, rate, Number(adam, "beta1"), Number(adam, "beta2"), Number(adam, "eps"), Number(adam, "weight_decay"),
                Number(adam, "ema_decay"));
        }

        float[] averages = c.Device.ToArray(optimiser.Average);
        foreach (Parameter parameter in run.Flat.Parameters)
        {
            float[] value = AsStored(parameter, c.Device.ToArray(parameter.Value));
            ExpectDigest(c, "parameter_digest", parameter.Name, value, tolerance, 2 * rate * step);
            int first = (int)((parameter.Value.Address - run.Flat.Values.Address) / sizeof(float));
            float[] average = averages[first..(first + (int)parameter.Shape.Count)];
            ExpectDigest(c, "ema_digest", parameter.Name, AsStored(parameter, average), tolerance, 2 * rate * step);
        }
    }

    static IEnumerable<double> Errors(GoldenCase c) =>
        c.Json.GetProperty("float32_error").EnumerateObject().Select(entry => entry.Value.GetDouble());

    static double Number(JsonElement json, string name) => json.GetProperty(name).GetDouble();

    static void ExpectNumber(GoldenCase c, string what, double actual, double expected, double tolerance) =>
        c.Expect(what, [(float)(actual / expected)], [1f], tolerance);

    /// <summary>Length, and product with the recipe's direction (which may be off by <paramref name="moved"/> more).</summary>
    static void ExpectDigest(GoldenCase c, string list, string name, float[] values, double tolerance, double moved)
    {
        double[] expected = [.. c.Json.GetProperty(list).GetProperty(name).EnumerateArray().Select(value => value.GetDouble())];
        float[] direction = Recipe.Tensor($"{c.File.RecipePrefix}proj:{name}", values.Length, 1);
        double squares = 0;
        double product = 0;
        for (int i = 0; i < values.Length; i++)
        {
            squares += (double)values[i] * values[i];
            product += (double)values[i] * direction[i];
        }

        c.Expect($"{list} {name} length", [(float)(Math.Sqrt(squares) / expected[0])], [1], tolerance);
        c.Expect(
            $"{list} {name}",
            [(float)(product / expected[0]), 1],
            [(float)(expected[1] / expected[0]), 1],
            tolerance + moved / expected[0]);
    }

    static float[] AsStored(Parameter parameter, float[] values)
    {
        Shape shape = parameter.Shape;
        return parameter.Kind == ParameterKind.Convolution
            ? Layouts.NhwcToNchw(values, shape[0], shape[3], shape[1] * shape[2])
            : values;
    }

    /// <summary>A U-Net of the recipe that learns.</summary>
    sealed class Learner : IDisposable
    {
        readonly UNet network;
        readonly Arena arena;
        readonly Device device;

        public Learner(GoldenCase c, UNetConfig config)
        {
            device = c.Device;
            var weights = new Weights(device, new RecipeSource(c.WeightPrefix));
            network = new UNet(weights, config);
            Flat = new FlatParameters(device, weights.Asked);
            weights.Load();
            arena = new Arena(device);
            Tape = new Tape(device, Flat.Parameters);
            Ops = new Ops(device, arena, tape: Tape);
        }

        public FlatParameters Flat { get; }

        public Tape Tape { get; private set; }

        public Ops Ops { get; private set; }

        public Tensor Mean(int images) => Ops.From<float>([images], [.. Enumerable.Repeat(1f / images, images)]);

        public Tensor Predict(Tensor x, Tensor timesteps, Tensor context, int[] sets)
        {
            TextKeys texts = network.EncodeText(Ops, context);
            return network.Run(Ops, x, timesteps, texts, new JointBatch(Ops, sets, [.. Enumerable.Range(0, x.Shape[0])]));
        }

        /// <summary>Loss and gradients of a step of the golden training, on a tape of its own.</summary>
        public double Step(GoldenCase c, JsonElement step, int index)
        {
            Tape.Release();
            arena.Clear();
            Tape = new Tape(device, Flat.Parameters);
            Ops = new Ops(device, arena, tape: Tape);
            int n = c.Int("images");
            int images = c.Int("sets") * n;
            Shape nchw = [images, 4, c.Int("height"), c.Int("width")];
            Shape shape = [images, nchw[2], nchw[3], 4];
            float[] clean = c.InputNhwc($"{index}/x0", nchw, 1.0);
            float[] noise = c.InputNhwc($"{index}/noise", nchw);
            float[] mask = [.. step.GetProperty("mask").EnumerateArray().Select(bit => bit.GetSingle())];
            int[] timesteps = [.. step.GetProperty("timesteps").EnumerateArray().SelectMany(t => Enumerable.Repeat(t.GetInt32(), n))];
            int latent = clean.Length / images;
            float[] noisy = [.. clean.Select((value, i) =>
            {
                JeDi.Sampling.NoiseLevel level = JeDi.Sampling.NoiseSchedule.StableDiffusion.LevelAt(timesteps[i / latent]);
                return (float)(level.Alpha * value + level.Sigma * noise[i]);
            })];
            Shape context = [images, 77, network.Config.ContextWidth];
            Tensor x = Ops.PackInput(
                Ops.From<float>(shape, noisy), Ops.From<float>(shape, clean), Ops.From<float>([images], mask), Ops.From<float>([1], [1]),
                network.Config.InputLayout);
            Tensor predicted = Predict(
                x,
                Ops.From<float>([images], [.. timesteps.Select(t => (float)t)]),
                Ops.From<float>(context, c.Input($"{index}/text", context)),
                [.. Enumerable.Repeat(n, images / n)]);
            Tensor loss = Ops.SquaredError(predicted, Ops.From<float>(shape, noise), Mean(images));
            Tape.Backward();
            return device.ToArray(loss).Sum(value => (double)value);
        }

        public void Dispose()
        {
            Tape.Release();
            arena.Release();
            Flat.Free();
        }
    }
}
