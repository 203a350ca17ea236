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
    readonly SemaphoreSlim turn = new(1);
    readonly Device device;
    readonly Arena arena;
    readonly JointPipeline pipeline;
    readonly CorrespondenceCollector? collector;
    readonly Lock gate = new();
    volatile bool closed;
    bool outside;
    bool released;

    internal JeDiSession(JeDiEngine engine, Networks networks, SessionShape shape, SessionRun run, long arenaBytes)
    {
        this.engine = engine;
        this.shape = shape;
        this.run = run;
        device = engine.Device.ForSession();
        kernels = new StoppableKernels(device.Kernels);
        arena = new Arena(device);
        arena.Reserve(arenaBytes);
        pipeline = new JointPipeline(networks, arena, run.LargestJoint, run.Plan, run.Tiling, kernels, shape.TextChunks);
        collector = shape.AttentionMap ? new CorrespondenceCollector(arena, pipeline.State) : null;
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
    public void WarmUp() => InTurn(() =>
    {
        pipeline.Rehearse();
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
        request = request.Seed >= 0 ? request : request with { Seed = System.Random.Shared.Next() };
        return Task.Run(
            async () =>
            {
                await turn.WaitAsync(cancellationToken);
                kernels.Resume();
                try
                {
                    using StopFlag.Watch watch = kernels.Flag.Enter();
                    using CancellationTokenRegistration stop = cancellationToken.Register(kernels.Stop);
                    ThrowIfClosed();
                    return Generate(request, progress, cancellationToken);
                }
                catch (OperationCanceledException) when (closed)
                {
                    throw new ObjectDisposedException(nameof(JeDiSession));
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    throw new OperationCanceledException(cancellationToken);
                }
                finally
                {
                    EndTurn();
                }
            },
            cancellationToken);
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

    /// <summary>The scaled latent of a photo at this session's size, to be kept in <see cref="Reference.Latent"/>.</summary>
    public float[] Encode(PixelImage image, bool padToFit = false)
    {
        ArgumentNullException.ThrowIfNull(image);
        return InTurn(() => EncodeFitted(image, padToFit));
    }

    /// <summary>
    /// Gives all memory back. A request that runs ends at its next operation; those that wait end at once. Within a call of progress or
    /// preview it returns at once, and the memory follows when the request has ended.
    /// </summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (closed)
            {
                return;
            }

            closed = true;
            kernels.Stop();
            if (outside)
            {
                return;
            }
        }

        turn.Wait();
        EndTurn();
    }

    /// <summary>Ends a turn; the first one that ends after the session was closed gives the memory back.</summary>
    void EndTurn()
    {
        bool release;
        lock (gate)
        {
            release = closed && !released;
            released |= closed;
        }

        if (release)
        {
            pipeline.Dispose();
            if (device != engine.Device)
            {
                device.Dispose();
            }
        }

        turn.Release();
        if (release)
        {
            engine.Forget(this);
        }
    }

    /// <summary>Calls the program, which may dispose the session meanwhile.</summary>
    void Outside(Action call)
    {
        lock (gate)
        {
            ThrowIfClosed();
            outside = true;
        }

        try
        {
            call();
        }
        finally
        {
            lock (gate)
            {
                outside = false;
            }
        }
    }

    T InTurn<T>(Func<T> work)
    {
        turn.Wait();
        kernels.Resume();
        try
        {
            using StopFlag.Watch watch = kernels.Flag.Enter();
            ThrowIfClosed();
            return work();
        }
        catch (OperationCanceledException) when (closed)
        {
            throw new ObjectDisposedException(nameof(JeDiSession));
        }
        finally
        {
            EndTurn();
        }
    }

    void ThrowIfClosed() => ObjectDisposedException.ThrowIf(closed, this);

    JeDiResult Generate(JeDiRequest request, IProgress<StepProgress>? progress, CancellationToken cancellationToken)
    {
        using Activity? activity = Telemetry.Activities.StartActivity("jedi.generate");
        ReferenceAttention[] attention = [.. request.References.Select(reference => Attention(reference, request.PadToFit))];
        Adapt(ReferenceAttention.KindOf(attention), request);
        collector?.Clear();
        pipeline.Start(Inputs(request, attention));
        Denoise(request, progress, cancellationToken);
        float[] latents = pipeline.Latents();
        List<float[]> each = [.. latents.Chunk(latents.Length / run.Joint.AllTargets)];
        List<PixelImage> images = [.. each.Select(latent => Result(request, latent))];
        Telemetry.Images.Add(images.Count);
        long[] seeds = [.. Enumerable.Range(0, images.Count)
            .Select(i => JointNoise.SeedOfTarget(request.Seed, i / shape.Targets, i % shape.Targets))];
        return new JeDiResult(images, each, seeds, collector?.Results() ?? []);
    }

    /// <summary>The loop that must not allocate.</summary>
    void Denoise(JeDiRequest request, IProgress<StepProgress>? progress, CancellationToken cancellationToken)
    {
        for (int i = 0; i < Evaluations; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
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
                Show(request, i, before);
            }
        }
    }

    void Tell(IProgress<StepProgress> progress, int done) => Outside(() => progress.Report(new StepProgress(done, Evaluations)));

    void Show(JeDiRequest request, int evaluation, float[] before)
    {
        float[] clean = pipeline.PredictedLatents(evaluation, before);
        IReadOnlyList<PixelImage> pictures = [.. clean.Chunk(clean.Length / run.Joint.AllTargets).Select(Picture)];
        Outside(() => request.Preview?.Invoke(evaluation + 1, pictures));
    }

    PixelImage Picture(float[] latent) => PixelImage.FromFloats(run.Width, run.Height, pipeline.DecodeImage(latent));

    /// <summary>A finished picture. What is not repainted is taken from the given image: the autoencoder would lose its details.</summary>
    PixelImage Result(JeDiRequest request, float[] latent)
    {
        float[] pixels = pipeline.DecodeImage(latent);
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

    /// <summary>The step that does what this request asks for, and no more.</summary>
    void Adapt(KeyBiasKind bias, JeDiRequest request)
    {
        bool oneScale = run.Joint.Guidance is GuidanceMode.Joint or GuidanceMode.TextOnly;
        bool unguided = (request.TextScale ?? engine.Defaults.TextScale) == 1
            && (oneScale || (request.ImageScale ?? engine.Defaults.ImageScale) == 1);
        pipeline.Use(bias, unguided);
    }

    JointInputs Inputs(JeDiRequest request, ReferenceAttention[] attention)
    {
        JointShape joint = pipeline.State.Shape;
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
                known.Add(prompt.Text, Encode(prompt.Text, request));
            }

            all.AddRange(prompt.Encoding ?? known[prompt.Text]);
        }

        return [.. all];
    }

    /// <exception cref="JeDiException">It is longer than the session is prepared for.</exception>
    float[] Encode(string text, JeDiRequest request)
    {
        int chunks = engine.Prompts.Chunks(text, request.Syntax);
        return chunks <= shape.TextChunks
            ? engine.Prompts.Encode(text, request.Syntax, shape.TextChunks, ids => pipeline.EncodeTexts(ids, request.ClipSkip))
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

    float[] EncodeFitted(PixelImage image, bool padToFit) => pipeline.EncodeImage(Fit(image, padToFit).ToFloats());

    PixelImage Fit(PixelImage image, bool padToFit) => padToFit ? image.Pad(run.Width, run.Height) : image.Cover(run.Width, run.Height);

    static float[] Repeat(float[] values, int times) => [.. Enumerable.Repeat(values, times).SelectMany(v => v)];
}
