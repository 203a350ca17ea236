using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using JeDi.Files.Images;
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
    readonly SessionRoom room = new();
    readonly SessionInputs inputs;
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
        inputs = new SessionInputs(engine, shape, run, room, EncodeFitted);
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
            throw new JeDiException("previews need the decoder beside the network; load without EngineOptions.LowMemory for them");
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
        int wanted = run.Joint.Height * run.Joint.Width * engine.Checkpoint.UNet.OutChannels;
        Arguments.Fits(latent, wanted, nameof(latent));
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
        using Activity? activity = Telemetry.Activities.StartActivity(Telemetry.Generate);
        ReferenceAttention[] attention = [.. request.References.Select(reference => inputs.Attention(reference, request.PadToFit))];
        KeyBiasKind bias = ReferenceAttention.KindOf(attention);
        JointInputs numbers = inputs.Of(request, attention, run.LargestJoint with { KeyBias = bias, Unguided = Unguided(request) });
        JointPipeline pipeline = Open();
        pipeline.Use(bias, Unguided(request));
        collector?.Clear();
        pipeline.Start(numbers);
        Denoise(pipeline, bias, request, progress, cancellationToken);
        List<float[]> each = [.. Enumerable.Range(0, run.Joint.AllTargets).Select(pipeline.Latents)];
        IReadOnlyList<Correspondence> correspondences = collector?.Results() ?? [];
        CloseBetweenPhases();
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

    /// <summary>In the session's room, until the next picture.</summary>
    Span<float> DecodeImage(float[] latent)
    {
        Begin(NetworkPart.Decoder);
        Span<float> pixels = room.Pixels(3 * run.Width * run.Height);
        JointPipeline.DecodeImage(autoencoder, networks.Networks.Decoder, run.Joint, run.Tiling, latent, pixels);
        return pixels;
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
        Span<float> pixels = DecodeImage(latent);
        if (!TensorPrimitives.IsFiniteAll<float>(latent) || !TensorPrimitives.IsFiniteAll<float>(pixels))
        {
            throw new JeDiException("the networks gave numbers that are not finite (NaN or infinity), which make no picture; "
                + "a weight is damaged, or a LoRA factor or guidance scale is far too large");
        }

        var picture = PixelImage.FromFloats(run.Width, run.Height, pixels);
        return request is { Init: { } init, InpaintMask: { } mask }
            ? run.Fit(init, request.PadToFit).Overlay(picture, run.FitMask(mask, request.PadToFit))
            : picture;
    }

    /// <summary>The full condition is all that the request needs.</summary>
    bool Unguided(JeDiRequest request)
    {
        bool oneScale = run.Joint.Guidance is GuidanceMode.Joint or GuidanceMode.TextOnly;
        return (request.TextScale ?? engine.Defaults.TextScale) == 1
            && (oneScale || (request.ImageScale ?? engine.Defaults.ImageScale) == 1);
    }

    float[] EncodeFitted(PixelImage image, bool padToFit)
    {
        var latent = new float[run.Joint.Height * run.Joint.Width * engine.Checkpoint.UNet.OutChannels];
        EncodeFitted(image, padToFit, latent);
        return latent;
    }

    void EncodeFitted(PixelImage image, bool padToFit, Span<float> latent)
    {
        Begin(NetworkPart.Encoder);
        Span<float> pixels = room.Pixels(3 * run.Width * run.Height);
        run.Fit(image, padToFit).ToFloats(pixels);
        JointPipeline.EncodeImage(autoencoder, networks.Networks.Encoder, run.Joint, run.Tiling, pixels, latent);
        CloseBetweenPhases();
    }
}
