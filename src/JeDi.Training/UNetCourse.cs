using JeDi.Files.Images;
using JeDi.Files.Sets;
using JeDi.Files.Tokenizer;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>The U-Net learns to predict the noise of coupled sets (section 3.2 of the paper); the text encoder may learn with it.</summary>
sealed class UNetCourse : Course
{
    const int ValidationBatches = 4;

    readonly TrainingOptions options;
    readonly UNet unet;
    readonly ClipText text;
    readonly VaeEncoder encoder;
    readonly ClipTokenizer? tokenizer;
    readonly NoiseSchedule schedule;
    readonly PredictionType prediction;
    readonly bool textLearns;
    readonly int side;
    readonly SetCache cache;
    readonly BatchDraw draw;
    readonly BatchDraw? validation;
    readonly Dictionary<string, float[]> states = [];
    readonly Arena arena;
    readonly Arena scratch;
    readonly Inputs inputs;
    readonly FlatParameters frozen;
    readonly Tape tape;
    Tensor loss;

    public UNetCourse(Device device, Checkpoint model, TrainingOptions options, TrainingSources sources, Action<string> report)
        : base(device)
    {
        this.options = options;
        textLearns = options.Trains("text");
        int size = options.Size == 0 ? model.UNet.SampleSize * model.Vae.Scale : options.Size;
        side = size / model.Vae.Scale;
        if (side == 0 || side % model.UNet.SizeMultiple != 0)
        {
            throw new TrainingException($"--size {size}: this model takes multiples of {model.UNet.SizeMultiple * model.Vae.Scale}");
        }

        schedule = new NoiseSchedule(model.Schedule);
        prediction = model.Schedule.Prediction;
        var unetWeights = new Weights(device, model.Source(Component.UNet), DType.F32);
        var textWeights = new Weights(device, model.Source(Component.TextEncoder), textLearns ? DType.F32 : null);
        var vaeWeights = new Weights(device, model.Source(Component.Vae));
        unet = new UNet(unetWeights, model.UNet);
        text = new ClipText(textWeights, model.Text);
        encoder = new VaeEncoder(vaeWeights, model.Vae);
        Parameter[] ofUNet = [.. unetWeights.Asked.Where(Learns)];
        Parameter[] ofText = textLearns ? [.. textWeights.Asked] : [];
        Trained = [.. new[] { (Component.UNet, (IReadOnlyList<Parameter>)ofUNet), (Component.TextEncoder, ofText) }
            .Where(part => part.Item2.Count > 0)];
        Parameters = new FlatParameters(device, [.. ofUNet, .. ofText]);
        frozen = new FlatParameters(device, [.. unetWeights.Asked.Where(parameter => !Learns(parameter))], withGradients: false);
        Weights.Load(device, [unetWeights, textWeights, vaeWeights]);
        tokenizer = model.TokenizerFolder is null ? null : model.OpenTokenizer(null);
        cache = new SetCache((source, index) => Encode(source, index, size), (long)options.Cache << 20, report);
        draw = new BatchDraw(options, sources.Data, sources.Prior, cache, schedule.TrainSteps);
        validation = sources.Validation is null
            ? null
            : new BatchDraw(options with { Accumulate = 1, Weights = [] }, [sources.Validation], null, cache, schedule.TrainSteps);
        arena = new Arena(device);
        scratch = new Arena(device);
        inputs = new Inputs(new Ops(device, arena), model, options.Images, side, textLearns);
        tape = new Tape(device, Parameters.Parameters);

        bool Learns(Parameter parameter) => options.Trains("unet")
            || (options.Trains("attention") && parameter.Name.Contains(".attentions.", StringComparison.Ordinal));
    }

    public override FlatParameters Parameters { get; }

    public override IReadOnlyList<(Component Component, IReadOnlyList<Parameter> Parameters)> Trained { get; }

    public override int Skipped => cache.Skipped;

    public override int Images => options.Images;

    public override long StepBytes => arena.Peak + tape.GradientBytes;

    public override void Record()
    {
        var ops = new Ops(Device, arena, tape: tape) { Checkpoints = options.Checkpointing };
        loss = Loss(ops);
        tape.Backward();
        arena.Hold();
    }

    public override double Run(long step, int part)
    {
        Write(draw.Draw(step, part));
        if (loss.Exists)
        {
            tape.Replay();
        }
        else
        {
            Record();
        }

        return Sum(loss);
    }

    public override double? Validate()
    {
        if (validation is null)
        {
            return null;
        }

        double sum = 0;
        for (int i = 0; i < ValidationBatches; i++)
        {
            Write(validation.Draw(-1 - i, 0, dropout: false));
            using ArenaScope scope = scratch.Scope();
            sum += Sum(Loss(new Ops(Device, scratch)));
        }

        return sum / ValidationBatches;
    }

    public override void Dispose()
    {
        tape.Release();
        arena.Release();
        scratch.Release();
        frozen.Free();
        Parameters.Free();
    }

    Tensor Loss(Ops ops)
    {
        Tensor context = textLearns ? text.Encode(ops, inputs.Ids) : inputs.States; // [n, 77, C]
        TextKeys keys = unet.EncodeText(ops, context);
        Tensor x = ops.PackInput(inputs.Noisy, inputs.Clean, inputs.Mask, inputs.One, unet.Config.InputLayout); // [n, h, w, 4 or 9]
        Tensor predicted = unet.Run(ops, x, inputs.Timesteps, keys, inputs.Batch);
        return ops.SquaredError(predicted, inputs.Goal, inputs.Weights);
    }

    void Write(SetBatch batch)
    {
        Files = batch.Files;
        var noisy = new float[batch.Clean.Length];
        var goal = new float[noisy.Length];
        var weights = new float[options.Images];
        int latent = noisy.Length / options.Images;
        for (int image = 0; image < options.Images; image++)
        {
            NoiseLevel level = schedule.LevelAt(batch.Timesteps[image]);
            (float alpha, float sigma) = ((float)level.Alpha, (float)level.Sigma);
            for (int i = image * latent; i < (image + 1) * latent; i++)
            {
                noisy[i] = alpha * batch.Clean[i] + sigma * batch.Noise[i];
                goal[i] = prediction switch
                {
                    PredictionType.V => alpha * batch.Noise[i] - sigma * batch.Clean[i],
                    PredictionType.Sample => batch.Clean[i],
                    _ => batch.Noise[i],
                };
            }

            weights[image] = (float)(batch.Shares[image] * LossWeight(level));
        }

        Device.Write<float>(inputs.Noisy, noisy);
        Device.Write<float>(inputs.Clean, batch.Clean);
        Device.Write<float>(inputs.Goal, goal);
        Device.Write<float>(inputs.Mask, batch.Mask);
        Device.Write<float>(inputs.Timesteps, [.. batch.Timesteps.Select(t => (float)t)]);
        Device.Write<float>(inputs.Weights, weights);
        inputs.Batch.Regroup(Device, batch.Sizes);
        if (textLearns)
        {
            Device.Write<int>(inputs.Ids, [.. batch.Captions.SelectMany(Ids)]);
        }
        else
        {
            Device.Write<float>(inputs.States, [.. batch.Captions.SelectMany(State)]);
        }
    }

    /// <summary>
    /// Of the squared error of what the network predicts; SNR = alpha^2 / sigma^2 (Hang et al. 2023; v: Salimans and Ho, 2022). The
    /// squared errors of epsilon, x0 and v stand as 1 : 1 / SNR : 1 + 1 / SNR.
    /// </summary>
    double LossWeight(NoiseLevel level)
    {
        double snr = level.Alpha * level.Alpha / (level.Sigma * level.Sigma);
        double epsilon = options.LossWeight switch
        {
            "min-snr" => Math.Min(snr, options.Bound) / snr,
            "v" => Math.Min(1 + 1 / snr, options.Bound),
            _ => 0,
        };
        return options.LossWeight == "none" ? 1 : prediction switch
        {
            PredictionType.V => epsilon / (1 + 1 / snr),
            PredictionType.Sample => epsilon * snr,
            _ => epsilon,
        };
    }

    int[] Ids(string caption) => tokenizer!.Encode(caption).Ids;

    float[] State(string caption)
    {
        if (!states.TryGetValue(caption, out float[]? state))
        {
            state = JointPipeline.EncodeTexts(new Ops(Device, scratch), text, Ids(caption));
            states.Add(caption, state);
        }

        return state;
    }

    EncodedSet Encode(ISetSource source, int index, int size)
    {
        ImageSet set = source.Load(index, size);
        var ops = new Ops(Device, scratch);
        var latents = new List<float>();
        foreach (PixelImage image in set.Images)
        {
            using ArenaScope scope = scratch.Scope();
            float[] mean = Device.ToArray(encoder.Encode(ops, ops.From<float>([1, size, size, 3], image.ToFloats())).Mean);
            latents.AddRange(mean.Select(value => value * encoder.Config.ScalingFactor));
        }

        return new EncodedSet(source.NameOf(index), set.Images.Count, [.. latents], set.Captions);
    }

    /// <summary>What changes from step to step, on the device.</summary>
    sealed class Inputs
    {
        public Inputs(Ops ops, Checkpoint model, int images, int side, bool ids)
        {
            Shape latents = [images, side, side, model.UNet.OutChannels];
            Noisy = ops.New(latents);
            Clean = ops.New(latents);
            Goal = ops.New(latents);
            Mask = ops.New([images]);
            Timesteps = ops.New([images]);
            Weights = ops.New([images]);
            One = ops.From<float>([1], [1]);
            Ids = ids ? ops.From<int>([images, model.Text.Positions], new int[images * model.Text.Positions]) : default;
            States = ids ? default : ops.New([images, model.Text.Positions, model.Text.Width]);
            int[] each = [.. Enumerable.Range(0, images)];
            Batch = new JointBatch(ops, [.. each.Select(_ => 1)], each);
        }

        public Tensor Noisy { get; }

        public Tensor Clean { get; }

        /// <summary>What the network is to predict.</summary>
        public Tensor Goal { get; }

        public Tensor Mask { get; }

        public Tensor Timesteps { get; }

        public Tensor Weights { get; }

        public Tensor One { get; }

        public Tensor Ids { get; }

        public Tensor States { get; }

        public JointBatch Batch { get; }
    }
}
