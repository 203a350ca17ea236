using System.Text.Json.Nodes;
using JeDi.Files.Random;
using JeDi.Files.Sets;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>
/// The autoencoder learns to rebuild pictures: mean squared error, plus a little of the latents' divergence from unit Gaussian ones, mean
/// over the latents' values (Rombach et al. 2022).
/// </summary>
sealed class VaeCourse : Course
{
    const int ValidationBatches = 4;

    readonly TrainingOptions options;
    readonly VaeEncoder encoder;
    readonly VaeDecoder decoder;
    readonly int size;
    readonly SetCache cache;
    readonly TrainingSources sources;
    readonly double[] weights;
    readonly Weights loaded;
    readonly Ahead<Batch> batches;
    readonly Arena scratch;
    readonly Tensor pixels;
    readonly Tensor noise;
    readonly Tensor errorWeights;
    readonly Tensor divergenceWeights;

    public VaeCourse(Device device, Checkpoint model, TrainingOptions options, TrainingSources sources, Action<string> report)
        : base(device, options)
    {
        this.options = options;
        size = options.Size == 0 ? model.Vae.SampleSize : options.Size;
        if (size % model.Vae.Scale != 0)
        {
            throw new TrainingException($"--size {size}: this model takes multiples of {model.Vae.Scale}");
        }

        loaded = new Weights(device, model.Source(Component.Vae), DType.F32);
        encoder = new VaeEncoder(loaded, model.Vae);
        decoder = new VaeDecoder(loaded, model.Vae);
        Parameters = new FlatParameters(device, loaded.Asked);
        Trained = [(Component.Vae, loaded.Asked)];
        loaded.Load();
        cache = new SetCache(Read, (long)options.Cache << 20, report);
        this.sources = sources;
        weights = options.Weights.Length > 0 ? options.Weights : [.. sources.Data.Select(_ => 1.0)];
        batches = new Ahead<Batch>(
            (step, part) => Draw(new SplitMix(options.Seed, step, part), sources.Data, weights), options.Accumulate);
        scratch = new Arena(device);
        var ops = new Ops(device, Arena);
        int side = size / model.Vae.Scale;
        pixels = ops.New([options.Images, size, size, 3]);
        noise = ops.New([options.Images, side, side, model.Vae.LatentChannels]);
        double image = 1.0 / ((long)options.Images * options.Accumulate);
        errorWeights = Filled(ops, image);
        divergenceWeights = Filled(ops, image * options.KlWeight * options.Images / noise.Count);
    }

    public override FlatParameters Parameters { get; }

    public override IReadOnlyList<(Component Component, IReadOnlyList<Parameter> Parameters)> Trained { get; }

    public override int Skipped => cache.Skipped;

    public override long Bytes
    {
        get
        {
            long pictures = sources.Data.Append(sources.Validation).Sum(source => (long)(source?.Count ?? 0)) * options.SetSizes.Max();
            long kept = Math.Min((long)options.Cache << 20, pictures * size * size * 3 * sizeof(float));
            return RecordedBytes + scratch.Capacity + kept;
        }
    }

    public override void Rehearse()
    {
        using (scratch.Scope())
        {
            Rebuild(new Ops(Device, scratch));
        }

        Record();
    }

    /// <summary>Mean squared error of pictures rebuilt from their means.</summary>
    public override double? Validate()
    {
        if (sources.Validation is null)
        {
            return null;
        }

        double sum = 0;
        for (int i = 0; i < ValidationBatches; i++)
        {
            Write(Draw(new SplitMix(options.Seed, -1 - i, 0), [sources.Validation], [1]));
            using ArenaScope scope = scratch.Scope();
            sum += options.Accumulate * Sum(Rebuild(new Ops(Device, scratch)));
        }

        return sum / ValidationBatches;
    }

    /// <summary>The U-Net's latents have unit variance: the factor follows from the latents as they are now.</summary>
    public override IReadOnlyDictionary<string, string> Configs(IReadOnlyDictionary<string, string> configs)
    {
        double sum = 0;
        double squares = 0;
        long count = 0;
        for (int i = 0; i < ValidationBatches; i++)
        {
            Write(Draw(new SplitMix(options.Seed, -1 - i, 1), sources.Data, weights));
            using ArenaScope scope = scratch.Scope();
            foreach (float value in Device.ToArray(encoder.Encode(new Ops(Device, scratch), pixels).Mean))
            {
                sum += value;
                squares += (double)value * value;
                count++;
            }
        }

        double deviation = Math.Sqrt(squares / count - sum / count * (sum / count));
        const string File = "vae/config.json";
        JsonObject json = JsonNode.Parse(configs[File])!.AsObject();
        json["scaling_factor"] = Math.Round(1 / Math.Max(deviation, 1e-5), 5);
        return new Dictionary<string, string>(configs) { [File] = json.ToJsonString() };
    }

    public override void Dispose()
    {
        batches.Dispose();
        base.Dispose();
        scratch.Release();
        Parameters.Free();
        loaded.Free();
    }

    protected override void Take(long step, int part, CancellationToken stop) => Write(batches.Take(step, part, stop));

    protected override Tensor[] Losses(Ops ops)
    {
        (Tensor mean, Tensor logVariance) = encoder.Encode(ops, pixels); // [n, h, w, C] each
        Tensor rebuilt = decoder.Decode(ops, ops.SampleGaussian(mean, logVariance, noise)); // [n, H, W, 3]
        return [ops.SquaredError(rebuilt, pixels, errorWeights), ops.Divergence(mean, logVariance, divergenceWeights)];
    }

    /// <summary>Squared errors of pictures rebuilt from their means.</summary>
    Tensor Rebuild(Ops ops) =>
        ops.SquaredError(decoder.Decode(ops, encoder.Encode(ops, pixels).Mean), pixels, errorWeights);

    void Write(Batch batch)
    {
        Files = batch.Files;
        Device.Write<float>(pixels, batch.Pixels);
        Device.Write<float>(noise, batch.Noise);
    }

    Batch Draw(SplitMix random, IReadOnlyList<ISetSource> from, double[] shares)
    {
        var files = new string[options.Images];
        var values = new float[pixels.Count];
        for (int i = 0; i < files.Length; i++)
        {
            ISetSource source = from[random.Weighted(shares)];
            EncodedSet set = cache.Take(source, random.Below(source.Count));
            int each = set.Latents.Length / set.Count;
            files[i] = set.File;
            set.Latents.AsSpan(random.Below(set.Count) * each, each).CopyTo(values.AsSpan(i * each));
        }

        var draws = new float[noise.Count];
        random.Normal(draws);
        return new Batch(files, values, draws);
    }

    EncodedSet Read(ISetSource source, int index)
    {
        ImageSet set = source.Load(index, size);
        return new EncodedSet(source.NameOf(index), set.Images.Count, [.. set.Images.SelectMany(image => image.ToFloats())], set.Captions);
    }

    Tensor Filled(Ops ops, double value) =>
        ops.From<float>([options.Images], [.. Enumerable.Repeat((float)value, options.Images)]);

    sealed record Batch(string[] Files, float[] Pixels, float[] Noise);
}
