using JeDi.Files.Sets;
using JeDi.Files.Tokenizer;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>
/// The U-Net learns to predict the noise of coupled sets (section 3.2 of the paper); the text encoder may learn with it or alone, or both
/// stay and low-rank changes of them learn.
/// </summary>
sealed class UNetCourse : Course
{
    const int ValidationBatches = 4;

    readonly TrainingOptions options;
    readonly UNet unet;
    readonly ClipText text;
    readonly SetEncoder encoder;
    readonly ClipTokenizer tokenizer;
    readonly Weights[] networks;
    readonly bool textLearns;
    readonly int size;
    readonly SetCache cache;
    readonly Ahead<SetBatch> batches;
    readonly BatchDraw? validation;
    readonly Recent<float[]> states;
    readonly Arena scratch;
    readonly UNetInputs inputs;
    readonly long keptBytes;

    public UNetCourse(Device device, Checkpoint model, TrainingOptions options, TrainingSources sources, Action<string> report)
        : base(device, options)
    {
        this.options = options;
        size = options.Size == 0 ? model.UNet.SampleSize * model.Vae.Scale : options.Size;
        int side = size / model.Vae.Scale;
        if (side == 0 || side % model.UNet.SizeMultiple != 0)
        {
            throw new TrainingException($"--size {size}: this model takes multiples of {model.UNet.SizeMultiple * model.Vae.Scale}");
        }

        tokenizer = model.OpenTokenizer(options.Tokenizer);

        // What stays as it is keeps the type of its file, in panels alone.
        bool wholeText = options.Trains("text");
        var unetWeights = new Weights(device, model.Source(Component.UNet), name => UNetLearns(options, name) ? DType.F32 : null);
        var textWeights = new Weights(device, model.Source(Component.TextEncoder), wholeText ? DType.F32 : null);
        var vaeWeights = new Weights(device, model.Source(Component.Vae));
        networks = [unetWeights, textWeights, vaeWeights];
        unet = new UNet(unetWeights, model.UNet);
        text = new ClipText(textWeights, model.Text);
        encoder = new SetEncoder(device, new VaeEncoder(vaeWeights, model.Vae), size, options.Images);
        Lora = options.Trains("lora")
            ? new LoraLayers(device, model, [(Component.UNet, unetWeights), (Component.TextEncoder, textWeights)], options)
            : null;
        IReadOnlyList<Parameter> ofUNet = Lora?.Of(Component.UNet) ?? [.. unetWeights.Asked.Where(one => UNetLearns(options, one.Name))];
        IReadOnlyList<Parameter> ofText = Lora?.Of(Component.TextEncoder) ?? (wholeText ? textWeights.Asked : []);
        Trained = [.. new[] { (Component.UNet, ofUNet), (Component.TextEncoder, ofText) }.Where(part => part.Item2.Count > 0)];
        textLearns = ofText.Count > 0;
        Parameters = new FlatParameters(device, [.. ofUNet, .. ofText]);
        Weights.Load(device, networks);

        long most = (long)options.Cache << 20;
        cache = new SetCache(encoder.Read, textLearns ? most : most / 2, report);
        states = new Recent<float[]>(most / 2);
        keptBytes = KeptBytes(sources, side, model, most);
        NoiseSchedule schedule = new NoiseSchedule(model.Schedule).Learned;
        var draw = new BatchDraw(options, sources.Data, sources.Prior, cache, schedule.TrainSteps);
        batches = new Ahead<SetBatch>((step, part) => draw.Draw(step, part), options.Accumulate);
        validation = sources.Validation is null
            ? null
            : new BatchDraw(options with { Accumulate = 1, Weights = [] }, [sources.Validation], null, cache, schedule.TrainSteps);
        scratch = new Arena(device);
        var ops = new Ops(device, Arena);
        inputs = new UNetInputs(ops, model, schedule, options, side, textLearns);
        Lora?.Begin(ops.New([1]), options.Seed);
    }

    public override FlatParameters Parameters { get; }

    public override IReadOnlyList<(Component Component, IReadOnlyList<Parameter> Parameters)> Trained { get; }

    public override LoraLayers? Lora { get; }

    public override int Skipped => cache.Skipped;

    public override long Bytes => RecordedBytes + scratch.Capacity + encoder.Bytes + keptBytes;

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

    public override void Rehearse()
    {
        encoder.Rehearse();
        State("");
        if (validation is not null)
        {
            using ArenaScope scope = scratch.Scope();
            Loss(new Ops(Device, scratch));
        }

        Record();
    }

    public override void Dispose()
    {
        batches.Dispose();
        base.Dispose();
        scratch.Release();
        encoder.Release();
        Parameters.Free();
        foreach (Weights network in networks)
        {
            network.Free();
        }
    }

    static bool UNetLearns(TrainingOptions options, string name) => options.Trains("unet")
        || (options.Trains("attention") && name.Contains(".attentions.", StringComparison.Ordinal));

    protected override void Take(long step, int part, CancellationToken stop) => Write(batches.Take(step, part, stop));

    protected override Tensor[] Losses(Ops ops) => [Loss(ops)];

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
        encoder.Complete(batch.Pictures.Select(picture => picture.Set));
        inputs.Write(batch);
        if (textLearns)
        {
            Device.Write<int>(inputs.Ids, [.. batch.Captions.SelectMany(Ids)]);
        }
        else
        {
            Device.Write<float>(inputs.States, [.. batch.Captions.SelectMany(State)]);
        }
    }

    int[] Ids(string caption) => tokenizer.Encode(caption).Ids;

    float[] State(string caption)
    {
        if (!states.TryGet(caption, out float[]? state))
        {
            state = JointPipeline.EncodeTexts(new Ops(Device, scratch), text, Ids(caption));
            states.Keep(caption, state, state.LongLength * sizeof(float));
        }

        return state;
    }

    /// <summary>Latents and texts that stay in memory: of all sets, if there is room for them.</summary>
    long KeptBytes(TrainingSources sources, int side, Checkpoint model, long most)
    {
        long pictures = sources.Data.Append(sources.Prior).Append(sources.Validation).Sum(source => (long)(source?.Count ?? 0))
            * options.SetSizes.Max();
        long each = sizeof(float) * (side * side * model.UNet.OutChannels + (textLearns ? 0 : model.Text.Positions * model.Text.Width));
        return Math.Min(most, pictures * each);
    }
}
