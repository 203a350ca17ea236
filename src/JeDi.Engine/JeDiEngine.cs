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
    readonly Networks networks;
    readonly NoiseSchedule schedule;
    readonly ClipTokenizer tokenizer;
    readonly PromptEncoder prompts;
    readonly Arena textArena;
    readonly Lock textLock = new();
    readonly HashSet<JeDiSession> sessions = [];
    bool closed;
    bool released;

    JeDiEngine(Device device, Checkpoint checkpoint, ClipTokenizer tokenizer)
    {
        Device = device;
        Checkpoint = checkpoint;
        this.tokenizer = tokenizer;
        prompts = new PromptEncoder(tokenizer, checkpoint.Text.Width);
        schedule = new NoiseSchedule(checkpoint.Schedule);
        Defaults = EngineDefaults.Of(checkpoint);
        CheckWeights(device, checkpoint);
        networks = Networks.Load(device, checkpoint);
        textArena = new Arena(device);
    }

    /// <summary>Where the model is computed.</summary>
    public Device Device { get; }

    /// <summary>The model's files and structure.</summary>
    public Checkpoint Checkpoint { get; }

    /// <summary>What a request gets that says nothing else.</summary>
    public EngineDefaults Defaults { get; }

    /// <summary>Loads a model: a diffusers folder or a single safetensors file.</summary>
    /// <exception cref="JeDiException">The device or the tokenizer is not there.</exception>
    /// <exception cref="CheckpointException">Not a model, or one of a kind that is not supported.</exception>
    /// <exception cref="WeightException">A tensor is missing or has the wrong shape.</exception>
    /// <exception cref="Files.FileException">A file is damaged.</exception>
    /// <exception cref="OutOfDeviceMemoryException">The weights do not fit.</exception>
    public static JeDiEngine Load(string path, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        options?.Check();
        return Load(path, options, CancellationToken.None);
    }

    static JeDiEngine Load(string path, EngineOptions? options, CancellationToken stop)
    {
        options ??= new EngineOptions();
        Checkpoint checkpoint = Checkpoint.Open(path);
        Device? device = null;
        try
        {
            if (options.Vae is string vae)
            {
                checkpoint.UseVae(vae);
            }

            foreach (Embedding embedding in options.Embeddings)
            {
                checkpoint.AddEmbedding(embedding.Path, embedding.Word);
            }

            checkpoint.StopBy(stop);
            foreach (LoraFile lora in options.Loras)
            {
                checkpoint.AddLora(lora.Path, lora.Weight);
            }

            // A single file has none, and cannot say which: what it holds is Stable Diffusion's text encoder.
            bool inOneFile = checkpoint is { Form: CheckpointForm.SingleFile, TokenizerFolder: null };
            ClipTokenizer tokenizer = checkpoint.OpenTokenizer(options.Tokenizer ?? (inOneFile ? ShippedTokenizer() : null));
            device = Devices.Open(options);
            return new JeDiEngine(device, checkpoint, tokenizer);
        }
        catch
        {
            device?.Dispose();
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The same on another thread.</summary>
    /// <param name="path">Folder or file.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the loading before its next tensor.</param>
    public static Task<JeDiEngine> LoadAsync(string path, EngineOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        options?.Check();
        return Task.Run(() => Load(path, options, cancellationToken), cancellationToken);
    }

    /// <summary>Chunks of 75 tokens that a text takes: 1 for a plain one, which is cut there.</summary>
    public int TextChunks(string text, PromptSyntax syntax)
    {
        ArgumentNullException.ThrowIfNull(text);
        return prompts.Chunks(text, syntax);
    }

    /// <summary>A prompt with its encoding, to be kept and used in many requests.</summary>
    /// <param name="text">What the picture shows.</param>
    /// <param name="clipSkip">See <see cref="JeDiRequest.ClipSkip"/>.</param>
    /// <param name="syntax">See <see cref="JeDiRequest.Syntax"/>.</param>
    /// <param name="chunks">See <see cref="SessionShape.TextChunks"/>; 0: as many as the text takes.</param>
    public Prompt Encode(string text, int clipSkip = 1, PromptSyntax syntax = PromptSyntax.Plain, int chunks = 0)
    {
        ArgumentNullException.ThrowIfNull(text);
        Arguments.Between(clipSkip, 1, Checkpoint.Text.Layers, nameof(clipSkip));
        Arguments.Defined(syntax, nameof(syntax));
        int wanted = chunks == 0 ? TextChunks(text, syntax) : chunks;
        lock (textLock)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            var ops = new Ops(Device, textArena);
            return new Prompt(text)
            {
                Encoding = prompts.Encode(text, syntax, wanted, ids => JointPipeline.EncodeTexts(ops, networks.Text, ids, clipSkip)),
            };
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
        Arguments.Check(shape);
        var run = SessionRun.Resolve(shape, Checkpoint, Defaults, schedule);
        using var device = new PlanDevice(Device);
        var arena = new Arena(device, blockBytes: 1L << 50);
        using (var pipeline = new JointPipeline(networks, arena, run.LargestJoint, run.Plan, run.Tiling, textChunks: shape.TextChunks))
        {
            _ = shape.AttentionMap ? new CorrespondenceCollector(arena, pipeline.State) : null;
            pipeline.Rehearse();
        }

        long host = sizeof(float) * HostFloats(shape, run).Sum();
        return new MemoryPlan(arena.Peak, device.PreparedBytes, host, Device.AvailableBytes);
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
            var session = new JeDiSession(this, networks, shape, run, plan.ArenaBytes);
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

        lock (textLock)
        {
            Device.Dispose();
            Checkpoint.Dispose();
        }
    }

    internal PromptEncoder Prompts => prompts;

    long[] HostFloats(SessionShape shape, SessionRun run) => run.HostFloats(Checkpoint.UNet.OutChannels, shape.AttentionMap);

    /// <summary>Every tensor is there and has its shape, and all of them fit, before the first is read.</summary>
    static void CheckWeights(Device device, Checkpoint checkpoint)
    {
        using var plan = new PlanDevice(device);
        Networks.Load(plan, checkpoint);
        if (plan.WeightBytes > device.AvailableBytes)
        {
            throw new OutOfDeviceMemoryException(device.Name, plan.WeightBytes, device.AvailableBytes);
        }
    }

    static string ShippedTokenizer() => ShippedFiles.Find("clip-tokenizer")
        ?? throw new JeDiException("the model has no tokenizer and weights/clip-tokenizer was not found; name one with --tokenizer FOLDER");
}
