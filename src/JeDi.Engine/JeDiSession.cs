using System.Diagnostics;
using System.Runtime.CompilerServices;
using JeDi.Files.Images;
using JeDi.Files.Random;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tensors.Decorators;

namespace JeDi;

/// <summary>
/// Memory and a recorded step for requests of one shape. One request at a time; a second waits for the first. After the first
/// request a denoising step allocates nothing.
/// </summary>
public sealed class JeDiSession : IDisposable
{
    readonly JeDiEngine engine;
    readonly SessionShape shape;
    readonly SessionRun run;
    readonly StoppableKernels kernels;
    readonly SessionTurns turns;
    readonly Device device;
    readonly NetworkLoader networks;
    readonly Arena arena;
    readonly Ops autoencoder;
    readonly IReadOnlyDictionary<NetworkPart, long> phases;
    JointPipeline? pipeline;
    CorrespondenceCollector? collector;

    internal JeDiSession(JeDiEngine engine, NetworkLoader networks, SessionShape shape, SessionRun run, MemoryPlan plan)
    {
        this.engine = engine;
        this.networks = networks;
        this.shape = shape;
        this.run = run;
        phases = plan.Phases;
        device = engine.Device.ForSession();
        kernels = new StoppableKernels(device.Kernels);
        turns = new SessionTurns(nameof(JeDiSession), kernels, Release, () => engine.Forget(this));
        arena = new Arena(device);
        autoencoder = new Ops(device, arena, kernels, networks.Networks.Precision.Autoencoder);
        if (!networks.OneAtATime)
        {
            arena.Reserve(plan.ArenaBytes);
        }
    }

    /// <summary>Pixels of a picture's row.</summary>
    public int Width => run.Width;

    /// <summary>Rows of a picture.</summary>
    public int Height => run.Height;

    /// <summary>Evaluations of the network in a request.</summary>
    public int Evaluations => run.Plan.Rows.Count;

    /// <summary>Bytes of the arena in use at the most so far.</summary>
    public long PeakArenaBytes => arena.Peak;

    /// <summary>Bytes of the arena.</summary>
    public long ArenaBytes => arena.Capacity;

    /// <summary>Runs every part once, so that the first request is as fast as the others.</summary>
    public void WarmUp() => turns.Take(() =>
    {
        Open().Rehearse();
        return true;
    });

    /// <summary>
    /// The pictures of a request. Progress is reported after each evaluation; cancellation takes effect before the next operation.
    /// </summary>
    /// <exception cref="JeDiException">The request does not fit the session: says how.</exception>
    /// <exception cref="ObjectDisposedException">The session was disposed before the request was done.</exception>
    public Task<JeDiResult> GenerateAsync(
        JeDiRequest request, IProgress<StepProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ClipTextConfig text = engine.Checkpoint.Text;
        RequestCheck.Check(request, shape, run, engine.Checkpoint.UNet.OutChannels, text.Positions * text.Width, text.Layers);
        if (networks.OneAtATime && request.PreviewEvery > 0)
        {
            throw new JeDiException("previews need the decoder beside the network; load the model without low memory for them");
        }

        request = request.Seed >= 0 ? request : request with { Seed = System.Random.Shared.Next() };
        return turns.TakeAsync(() => Generate(request, progress, cancellationToken), cancellationToken);
    }

    /// <summary>The results of requests as they come, one request after the other.</summary>
    /// <param name="requests">Taken one by one, each when the one before is done.</param>
    /// <param name="progress">Of each request.</param>
    /// <param name="cancellationToken">Ends the request that runs.</param>
    public async IAsyncEnumerable<JeDiResult> GenerateAsync(
        IEnumerable<JeDiRequest> requests,
        IProgress<StepProgress>? progress = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        foreach (JeDiRequest request in requests)
        {
            yield return await GenerateAsync(request, progress, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The pictures of a result that a request with <see cref="JeDiRequest.LatentsOnly"/> gave.</summary>
    public JeDiResult Decode(JeDiRequest request, JeDiResult result, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(result);
        return turns.Take(() => result with { Images = Decoded(request, result.Latents) }, cancellationToken);
    }

    /// <summary>The picture of a scaled latent, as <see cref="Encode"/> gives it.</summary>
    public PixelImage Decode(float[] latent, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(latent);
        return turns.Take(() => Picture(latent), cancellationToken);
    }

    /// <summary>The scaled latent of a photo at this session's size, to be kept in <see cref="Reference.Latent"/>.</summary>
    public float[] Encode(PixelImage image, bool padToFit = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        return turns.Take(() => EncodeFitted(image, padToFit), cancellationToken);
    }

    /// <summary>
    /// Gives all memory back. A request that runs ends at its next operation; those that wait end at once. Within a call of progress or
    /// preview it returns at once, and the memory follows when the request has ended.
    /// </summary>
    public void Dispose() => turns.Close();

    void Release()
    {
        pipeline?.Dispose();
        arena.Release();
        if (device != engine.Device)
        {
            device.Dispose();
        }
    }

    JeDiResult Generate(JeDiRequest request, IProgress<StepProgress>? progress, CancellationToken cancellationToken)
    {
        using Activity? activity = Telemetry.Activities.StartActivity("jedi.generate");
        ReferenceAttention[] attention = [.. request.References.Select(reference => Attention(reference, request.PadToFit))];
        KeyBiasKind bias = ReferenceAttention.KindOf(attention);
        JointInputs inputs = Inputs(request, attention, run.LargestJoint with { KeyBias = bias, Unguided = Unguided(request) });
        JointPipeline pipeline = Open();
        pipeline.Use(bias, Unguided(request));
        collector?.Clear();
        pipeline.Start(inputs);
        Denoise(pipeline, bias, request, progress, cancellationToken);
        float[] latents = pipeline.Latents();
        IReadOnlyList<Correspondence> correspondences = collector?.Results() ?? [];
        CloseBetweenPhases();
        List<float[]> each = [.. latents.Chunk(latents.Length / run.Joint.AllTargets)];
        List<PixelImage> images = request.LatentsOnly ? [] : Decoded(request, each);
        long[] seeds = [.. Enumerable.Range(0, each.Count)
            .Select(i => JointNoise.SeedOfTarget(request.Seed, i / shape.Targets, i % shape.Targets))];
        return new JeDiResult(images, each, seeds, correspondences);
    }

    /// <summary>The network's weights, and with low memory an arena of just the phase's size.</summary>
    void Begin(NetworkPart phase)
    {
        networks.Use(phase);
        if (networks.OneAtATime)
        {
            arena.Reserve(phases[phase]);
        }
    }

    /// <summary>The steps, ready to run; with low memory for the time of one request.</summary>
    JointPipeline Open()
    {
        Begin(NetworkPart.UNet);
        if (pipeline is null)
        {
            pipeline = new JointPipeline(networks.Networks, arena, run.LargestJoint, run.Plan, run.Tiling, kernels, shape.TextChunks);
            collector = shape.AttentionMap ? new CorrespondenceCollector(arena, pipeline.State) : null;
        }

        return pipeline;
    }

    /// <summary>With low memory an arena serves one phase: encode, denoise, decode.</summary>
    void CloseBetweenPhases()
    {
        if (networks.OneAtATime)
        {
            pipeline?.Dispose();
            (pipeline, collector) = (null, null);
            arena.Release();
        }
    }

    /// <summary>The loop that must not allocate.</summary>
    void Denoise(
        JointPipeline pipeline,
        KeyBiasKind bias,
        JeDiRequest request,
        IProgress<StepProgress>? progress,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<(bool Unguided, bool ReusesDeep)> schedule =
            new StepSchedule(shape.ReuseInterval, request.GuidanceFrom, request.GuidanceTo).Of(run.Plan, Unguided(request));
        for (int i = 0; i < Evaluations; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            pipeline.Use(bias, schedule[i].Unguided, schedule[i].ReusesDeep);
            bool shows = request.PreviewEvery > 0 && (i + 1) % request.PreviewEvery == 0 && i + 1 < Evaluations;
            float[] before = shows ? pipeline.Latents() : [];
            long start = Stopwatch.GetTimestamp();
            pipeline.Step();
            Telemetry.Steps.Add(1);
            Telemetry.StepSeconds.Record(Stopwatch.GetElapsedTime(start).TotalSeconds);
            if (progress is not null)
            {
                Tell(progress, i + 1);
            }

            if (shows)
            {
                Show(pipeline, request, i, before);
            }
        }
    }

    void Tell(IProgress<StepProgress> progress, int done)
    {
        using SessionTurns.Call call = turns.Outside();
        progress.Report(new StepProgress(done, Evaluations));
    }

    void Show(JointPipeline pipeline, JeDiRequest request, int evaluation, float[] before)
    {
        float[] clean = pipeline.PredictedLatents(evaluation, before);
        IReadOnlyList<PixelImage> pictures = [.. clean.Chunk(clean.Length / run.Joint.AllTargets).Select(PreviewPicture)];
        using SessionTurns.Call call = turns.Outside();
        request.Preview?.Invoke(evaluation + 1, pictures);
    }

    PixelImage PreviewPicture(float[] latent)
    {
        if (networks.Networks.Preview is not ImageDecoder decoder)
        {
            return Picture(latent);
        }

        Begin(NetworkPart.Preview);
        float[] pixels = JointPipeline.DecodeImage(autoencoder, decoder, run.Joint, run.Tiling, latent);
        return PixelImage.FromFloats(run.Width, run.Height, pixels);
    }

    PixelImage Picture(float[] latent) => PixelImage.FromFloats(run.Width, run.Height, DecodeImage(latent));

    float[] DecodeImage(float[] latent)
    {
        Begin(NetworkPart.Decoder);
        return JointPipeline.DecodeImage(autoencoder, networks.Networks.Decoder, run.Joint, run.Tiling, latent);
    }

    List<PixelImage> Decoded(JeDiRequest request, IReadOnlyList<float[]> latents)
    {
        List<PixelImage> images = [.. latents.Select(latent => Result(request, latent))];
        CloseBetweenPhases();
        Telemetry.Images.Add(images.Count);
        return images;
    }

    /// <summary>A finished picture. What is not repainted is taken from the given image: the autoencoder would lose its details.</summary>
    PixelImage Result(JeDiRequest request, float[] latent)
    {
        float[] pixels = DecodeImage(latent);
        if (!latent.All(float.IsFinite) || !pixels.All(float.IsFinite))
        {
            throw new JeDiException("the networks gave numbers that are not finite (NaN or infinity), which make no picture; "
                + "a weight is damaged, or a LoRA factor or guidance scale is far too large");
        }

        var picture = PixelImage.FromFloats(run.Width, run.Height, pixels);
        return request is { Init: { } init, InpaintMask: { } mask }
            ? Fit(init, request.PadToFit).Overlay(picture, FitMask(mask, request.PadToFit))
            : picture;
    }

    /// <summary>The full condition is all that the request needs.</summary>
    bool Unguided(JeDiRequest request)
    {
        bool oneScale = run.Joint.Guidance is GuidanceMode.Joint or GuidanceMode.TextOnly;
        return (request.TextScale ?? engine.Defaults.TextScale) == 1
            && (oneScale || (request.ImageScale ?? engine.Defaults.ImageScale) == 1);
    }

    JointInputs Inputs(JeDiRequest request, ReferenceAttention[] attention, JointShape joint)
    {
        int channels = engine.Checkpoint.UNet.OutChannels;
        JointNoise noise = JointNoise.Draw(joint, run.Plan, channels, request.Seed, seed => Stream(request, seed));
        float[] references = [.. request.References.SelectMany(reference => reference.Latent
            ?? EncodeFitted(reference.Image, request.PadToFit))];
        float[] image = request.Init is null ? [] : EncodeFitted(request.Init, request.PadToFit);
        float[] mask = request.InpaintMask is null ? [] : Cells(request.InpaintMask, request.PadToFit, value => value >= 0.5f ? 1 : 0);
        return new JointInputs
        {
            InitialNoise = noise.Initial,
            ReferenceNoise = noise.Reference,
            StepNoise = noise.Step,
            Texts = Texts(request, joint),
            References = Repeat(references, joint.Sets),
            Images = Repeat(image, joint.AllTargets),
            InpaintMask = Repeat(mask, joint.AllTargets),
            Attention = attention,
            TextScale = request.TextScale ?? engine.Defaults.TextScale,
            ImageScale = request.ImageScale ?? engine.Defaults.ImageScale,
            Rescale = request.Rescale,
        };
    }

    static INormalStream Stream(JeDiRequest request, long seed) =>
        request.TorchCudaRandom ? new TorchCudaRandom(seed) : new TorchCpuRandom(seed);

    /// <summary>Encodings in the order of the batch; each text is encoded once.</summary>
    float[] Texts(JeDiRequest request, JointShape joint)
    {
        var known = new Dictionary<string, float[]>(StringComparer.Ordinal);
        var all = new List<float>();
        foreach (TextEntry entry in joint.Texts(engine.Checkpoint.UNet))
        {
            Prompt prompt = entry.Kind switch
            {
                TextKind.Null => "",
                TextKind.Negative => request.Negative,
                _ when entry.Image < joint.References => request.References[entry.Image].Caption ?? request.Prompts[0],
                _ => request.Prompts[request.Prompts.Count == 1 ? 0 : entry.Image - joint.References],
            };
            if (prompt.Encoding is null && !known.ContainsKey(prompt.Text))
            {
                known.Add(prompt.Text, EncodeText(prompt.Text, request));
            }

            all.AddRange(prompt.Encoding ?? known[prompt.Text]);
        }

        return [.. all];
    }

    /// <exception cref="JeDiException">It is longer than the session is prepared for.</exception>
    float[] EncodeText(string text, JeDiRequest request)
    {
        int chunks = engine.TextChunks(text, request.Syntax);
        return chunks <= shape.TextChunks
            ? engine.Encode(text, request.ClipSkip, request.Syntax, shape.TextChunks).Encoding!
            : throw new JeDiException($"a text takes {chunks} chunks of 75 tokens, the session is prepared for {shape.TextChunks} "
                + $"({nameof(SessionShape.TextChunks)})");
    }

    ReferenceAttention Attention(Reference reference, bool padToFit) => new(
        reference.Weight,
        reference.Start,
        reference.End,
        reference.Mask is null ? null : Cells(reference.Mask, padToFit, value => value));

    float[] Cells(PixelImage mask, bool padToFit, Func<float, float> each) =>
        [.. FitMask(mask, padToFit).ToCells(engine.Checkpoint.Vae.Scale).Select(each)];

    PixelImage FitMask(PixelImage mask, bool padToFit) =>
        padToFit ? mask.PadMask(run.Width, run.Height) : mask.Cover(run.Width, run.Height);

    float[] EncodeFitted(PixelImage image, bool padToFit)
    {
        Begin(NetworkPart.Encoder);
        float[] pixels = Fit(image, padToFit).ToFloats();
        float[] latent = JointPipeline.EncodeImage(autoencoder, networks.Networks.Encoder, run.Joint, run.Tiling, pixels);
        CloseBetweenPhases();
        return latent;
    }

    PixelImage Fit(PixelImage image, bool padToFit) => padToFit ? image.Pad(run.Width, run.Height) : image.Cover(run.Width, run.Height);

    static float[] Repeat(float[] values, int times) => [.. Enumerable.Repeat(values, times).SelectMany(v => v)];
}
