using JeDi.Files.Tokenizer;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tensors.Planning;

namespace JeDi;

/// <summary>
/// A model on a device. Safe to use from several threads; each stream of requests gets a session of its own
/// (<see cref="Prepare"/>). Disposing it ends all sessions.
/// </summary>
public sealed class JeDiEngine : IDisposable
{
    readonly NetworkLoader networks;
    readonly NoiseSchedule schedule;
    readonly ClipTokenizer tokenizer;
    readonly PromptEncoder prompts;
    readonly Arena textArena;
    readonly Lock textLock = new();
    readonly long processBytes;
    readonly HashSet<JeDiSession> sessions = [];
    bool closed;
    bool released;

    /// <summary>Every guided request needs one; by layers left out and chunks.</summary>
    readonly Dictionary<(int Skip, int Chunks), float[]> nullTexts = [];

    JeDiEngine(Device device, Checkpoint checkpoint, NetworkLoader networks, Task<ClipTokenizer> tokenizer, long processBytes)
    {
        Device = device;
        Checkpoint = checkpoint;
        this.networks = networks;
        this.processBytes = processBytes;
        long weights = WeightBytes;
        if (weights > device.AvailableBytes)
        {
            throw new OutOfDeviceMemoryException(device.Name, weights, device.AvailableBytes);
        }

        textArena = new Arena(device, blockBytes: 1 << 20);

        // The rest of the start beside it.
        networks.Begin();
        schedule = new NoiseSchedule(checkpoint.Schedule);
        Defaults = EngineDefaults.Of(checkpoint);
        this.tokenizer = tokenizer.GetAwaiter().GetResult();
        prompts = new PromptEncoder(this.tokenizer, checkpoint.Text.Width);
    }

    /// <summary>Bytes of all weights on the device; with low memory of the largest network's.</summary>
    public long WeightBytes => networks.WeightBytes;

    /// <summary>
    /// Ends when all weights are there, or with what is wrong with their file. Nobody has to wait for it: whoever needs a network waits for
    /// that one. It has ended where weights come only when they are used (<see cref="EngineOptions.LowMemory"/>, a GPU).
    /// </summary>
    public Task WeightsLoaded => networks.Loaded;

    /// <summary>Where the model is computed.</summary>
    public Device Device { get; }

    /// <summary>The model's files and structure.</summary>
    public Checkpoint Checkpoint { get; }

    /// <summary>What a request gets that says nothing else.</summary>
    public EngineDefaults Defaults { get; }

    /// <summary>
    /// Loads a model: a diffusers folder or a single safetensors file. Names, shapes and memory are checked at once; the weights come in
    /// the background, and whoever needs a network waits for it, and is told what is wrong with its file.
    /// </summary>
    /// <exception cref="JeDiException">The device or the tokenizer is not there.</exception>
    /// <exception cref="CheckpointException">Not a model, or one of a kind that is not supported.</exception>
    /// <exception cref="WeightException">A tensor is missing or has the wrong shape.</exception>
    /// <exception cref="Files.FileException">A file is damaged.</exception>
    /// <exception cref="OutOfDeviceMemoryException">The weights do not fit.</exception>
    public static JeDiEngine Load(string path, EngineOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options?.Validate();
        return Load(path, options, CancellationToken.None);
    }

    static JeDiEngine Load(string path, EngineOptions? options, CancellationToken stop)
    {
        options ??= new EngineOptions();
        long processBytes = Environment.WorkingSet;

        // The device first: it compiles kernels while the files are opened.
        Device device = Devices.Open(options);
        Checkpoint? checkpoint = null;
        NetworkLoader? networks = null;
        try
        {
            checkpoint = Checkpoint.Open(path);
            stop.ThrowIfCancellationRequested();
            if (options.Vae is string vae)
            {
                checkpoint.UseVae(vae);
            }

            if (options.PreviewVae is string previews)
            {
                checkpoint.UsePreviewVae(previews);
            }

            foreach (Embedding embedding in options.Embeddings)
            {
                checkpoint.AddEmbedding(embedding.Path, embedding.Word);
            }

            foreach (LoraFile lora in options.Loras)
            {
                stop.ThrowIfCancellationRequested();
                checkpoint.AddLora(lora.Path, lora.Weight);
            }

            // A single file has none, and cannot say which: what it holds is Stable Diffusion's text encoder.
            bool inOneFile = checkpoint is { Form: CheckpointForm.SingleFile, TokenizerFolder: null };
            string? folder = options.Tokenizer ?? (inOneFile ? ShippedTokenizer() : null);
            Task<ClipTokenizer> tokenizer = Task.Run(() => checkpoint.OpenTokenizer(folder), CancellationToken.None);
            networks = new NetworkLoader(
                device, checkpoint, options.Weights, Devices.PrecisionOf(options, device), options.LowMemory);
            return new JeDiEngine(device, checkpoint, networks, tokenizer, processBytes);
        }
        catch
        {
            networks?.Dispose();
            device.Dispose();
            checkpoint?.Dispose();
            throw;
        }
    }

    /// <summary>The same on another thread.</summary>
    /// <param name="path">Folder or file.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends it between files; what comes in the background ends with the engine.</param>
    public static Task<JeDiEngine> LoadAsync(string path, EngineOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options?.Validate();
        return Task.Run(() => Load(path, options, cancellationToken), cancellationToken);
    }

    /// <summary>Chunks of 75 tokens that a text takes: 1 for a plain one, which is cut there.</summary>
    public int TextChunks(string text, PromptSyntax syntax)
    {
        ArgumentNullException.ThrowIfNull(text);
        Arguments.Defined(syntax, nameof(syntax));
        return prompts.Chunks(text, syntax);
    }

    /// <summary>
    /// The shape of a session for a request: as many references, targets and chunks of text as it has, and what else it needs.
    /// </summary>
    /// <param name="request">What is to be drawn.</param>
    /// <param name="shape">Size, sampler, steps, guidance; null: the model's defaults.</param>
    /// <exception cref="ArgumentException">Something in the request is null or impossible for every session: names it.</exception>
    public SessionShape ShapeFor(JeDiRequest request, SessionShape? shape = null)
    {
        RequestCheck.CheckArguments(request, Checkpoint.Text.Layers);
        return RequestCheck.Fitting(shape ?? new SessionShape(), request, text => TextChunks(text, request.Syntax));
    }

    /// <summary>A prompt with its encoding, to be kept and used in many requests.</summary>
    /// <param name="text">What the picture shows.</param>
    /// <param name="clipSkip">See <see cref="JeDiRequest.ClipSkip"/>.</param>
    /// <param name="syntax">See <see cref="JeDiRequest.Syntax"/>.</param>
    /// <param name="chunks">See <see cref="SessionShape.TextChunks"/>; 0: as many as the text takes.</param>
    /// <param name="cancellationToken">Ends it, also while it waits for the weights.</param>
    public Prompt Encode(
        string text,
        int clipSkip = 1,
        PromptSyntax syntax = PromptSyntax.Plain,
        int chunks = 0,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        Arguments.Between(clipSkip, 1, Checkpoint.Text.Layers, nameof(clipSkip));
        Arguments.Defined(syntax, nameof(syntax));
        Arguments.Between(chunks, 0, SessionRun.MostTextChunks, nameof(chunks));
        int wanted = chunks == 0 ? TextChunks(text, syntax) : chunks;
        if (!cancellationToken.CanBeCanceled)
        {
            return Encoded(text, clipSkip, syntax, wanted);
        }

        var flag = new StopFlag();
        using StopFlag.Watch watch = flag.Enter();
        using CancellationTokenRegistration stop = cancellationToken.Register(flag.Set);
        return Encoded(text, clipSkip, syntax, wanted);
    }

    Prompt Encoded(string text, int clipSkip, PromptSyntax syntax, int chunks)
    {
        var states = new float[prompts.Count(chunks)];
        EncodeInto(text, clipSkip, syntax, chunks, states);
        return new Prompt(text) { Encoding = states };
    }

    /// <summary>The states of a text [chunks * 77, C].</summary>
    internal void EncodeInto(string text, int clipSkip, PromptSyntax syntax, int chunks, Span<float> states)
    {
        lock (textLock)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            if (text.Length == 0 && nullTexts.TryGetValue((clipSkip, chunks), out float[]? known))
            {
                known.CopyTo(states);
                return;
            }

            networks.Use(NetworkPart.Text);
            var ops = new Ops(Device, textArena, compute: networks.Networks.Precision.Network);
            prompts.Encode(
                text, syntax, chunks, (ids, to) => JointPipeline.EncodeTexts(ops, networks.Networks.Text, ids, to, clipSkip), states);
            if (text.Length == 0)
            {
                nullTexts.Add((clipSkip, chunks), states.ToArray());
            }

            if (networks.OneAtATime)
            {
                textArena.Release();
            }
        }
    }

    /// <summary>The words of a prompt that do not fit into its 77 tokens.</summary>
    public IReadOnlyList<string> WordsCut(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return tokenizer.Encode(text).Cut;
    }

    /// <summary>
    /// Memory that a session of this shape will take for any request; takes milliseconds and none of it. It is found by a rehearsal with
    /// the networks on a device without numbers, which knows what is prepared already.
    /// </summary>
    /// <exception cref="JeDiException">The shape is impossible: says what to change.</exception>
    /// <exception cref="SamplingException">No such sampler, step count or guidance for this model: says which there are.</exception>
    public MemoryPlan Plan(SessionShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        var run = SessionRun.Resolve(shape, Checkpoint, Defaults, schedule);
        using var device = new PlanDevice(Device);
        List<(NetworkPart Part, long Bytes)> phases = Rehearse(run, shape, device);
        long host = sizeof(float) * HostFloats(shape, run).Sum();
        (NetworkPart widest, long arena) = networks.OneAtATime
            ? phases.MaxBy(phase => phase.Bytes + networks.Bytes(phase.Part))
            : phases.MaxBy(phase => phase.Bytes);
        long weights = networks.OneAtATime ? networks.Bytes(widest) : WeightBytes;
        return new MemoryPlan(arena, device.PreparedBytes, host, Device.AvailableBytes)
        {
            WeightBytes = weights,
            ScratchBytes = device.ScratchPeak,
            Phases = phases.ToDictionary(phase => phase.Part, phase => phase.Bytes),
            ProcessBytes = processBytes + MemoryPlan.RuntimeBytes,
        };
    }

    /// <summary>Bytes of the arena in each phase; in one arena for all of them, the last is the peak of all.</summary>
    List<(NetworkPart Part, long Bytes)> Rehearse(SessionRun run, SessionShape shape, PlanDevice device)
    {
        var arena = new Arena(device, blockBytes: 1L << 50);
        using var pipeline =
            new JointPipeline(networks.Networks, arena, run.LargestJoint, run.Plan, run.Tiling, textChunks: shape.TextChunks);
        _ = shape.AttentionMap ? new CorrespondenceCollector(arena, pipeline.State) : null;
        if (!networks.OneAtATime)
        {
            pipeline.Rehearse();
            return [(NetworkPart.UNet, arena.Peak)];
        }

        pipeline.RehearseStep();
        var phases = new List<(NetworkPart, long)> { (NetworkPart.UNet, arena.Peak) };
        if (run.Joint.EncodesImages)
        {
            var encoding = new Arena(device, blockBytes: 1L << 50);
            var pixels = new float[3L * run.Width * run.Height];
            var ops = new Ops(device, encoding, compute: networks.Networks.Precision.Autoencoder);
            JointPipeline.EncodeImage(ops, networks.Networks.Encoder, run.Joint, run.Tiling, pixels);
            phases.Add((NetworkPart.Encoder, encoding.Peak));
        }

        var decoding = new Arena(device, blockBytes: 1L << 50);
        var latent = new float[run.Joint.Height * run.Joint.Width * Checkpoint.UNet.OutChannels];
        var decoder = new Ops(device, decoding, compute: networks.Networks.Precision.Autoencoder);
        JointPipeline.DecodeImage(decoder, networks.Networks.Decoder, run.Joint, run.Tiling, latent);
        phases.Add((NetworkPart.Decoder, decoding.Peak));
        return phases;
    }

    /// <summary>All memory for requests of this shape.</summary>
    /// <exception cref="JeDiException">
    /// The shape is impossible, or there is not enough memory: says how much is needed and what helps.
    /// </exception>
    /// <exception cref="SamplingException">No such sampler, step count or guidance for this model: says which there are.</exception>
    /// <exception cref="OutOfDeviceMemoryException">Something else took the memory meanwhile.</exception>
    public JeDiSession Prepare(SessionShape shape)
    {
        MemoryPlan plan = Plan(shape);
        if (!plan.Fits)
        {
            throw new JeDiException(plan.Advice);
        }

        var run = SessionRun.Resolve(shape, Checkpoint, Defaults, schedule);
        if (HostFloats(shape, run).Max() > Array.MaxLength)
        {
            throw new JeDiException("so many images and steps take more numbers than one array can hold; try fewer of either");
        }

        lock (sessions)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            if (networks.OneAtATime && sessions.Count > 0)
            {
                throw new JeDiException("EngineOptions.LowMemory is for one session at a time; dispose the other one, or load without it");
            }

            var session = new JeDiSession(this, networks, shape, run, plan);
            sessions.Add(session);
            return session;
        }
    }

    /// <summary>Ends all sessions, each at its next operation, and gives all memory back.</summary>
    public void Dispose()
    {
        JeDiSession[] open;
        lock (sessions)
        {
            if (closed)
            {
                return;
            }

            closed = true;
            open = [.. sessions];
        }

        foreach (JeDiSession session in open)
        {
            session.Dispose();
        }

        Release();
    }

    internal void Forget(JeDiSession session)
    {
        lock (sessions)
        {
            sessions.Remove(session);
        }

        Release();
    }

    /// <summary>Gives the device back when the last session is gone: one may be within a call that disposes the engine.</summary>
    void Release()
    {
        lock (sessions)
        {
            if (!closed || sessions.Count > 0 || released)
            {
                return;
            }

            released = true;
        }

        networks.Stop();
        lock (textLock)
        {
            networks.Dispose();
            Device.Dispose();
            Checkpoint.Dispose();
        }
    }

    long[] HostFloats(SessionShape shape, SessionRun run) => run.HostFloats(Checkpoint.UNet.OutChannels, shape.AttentionMap);

    static string ShippedTokenizer() => ShippedFiles.Find("clip-tokenizer")
        ?? throw new JeDiException("the model has no tokenizer and weights/clip-tokenizer was not found; "
            + "name a folder that has one as EngineOptions.Tokenizer");
}
