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
    readonly Arena textArena;
    readonly Lock textLock = new();
    readonly HashSet<JeDiSession> sessions = [];
    bool closed;

    JeDiEngine(Device device, Checkpoint checkpoint, ClipTokenizer tokenizer, Precision? precision)
    {
        Device = device;
        Checkpoint = checkpoint;
        this.tokenizer = tokenizer;
        schedule = new NoiseSchedule(checkpoint.Schedule);
        Defaults = EngineDefaults.Of(checkpoint);
        CheckWeights(device, checkpoint, precision);
        networks = Networks.Load(device, checkpoint, precision: precision);
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
        options ??= new EngineOptions();
        Checkpoint checkpoint = Checkpoint.Open(path);
        Device? device = null;
        try
        {
            foreach (LoraFile lora in options.Loras)
            {
                checkpoint.AddLora(lora.Path, lora.Weight);
            }

            // A single file has none, and cannot say which: what it holds is Stable Diffusion's text encoder.
            bool inOneFile = checkpoint is { Form: CheckpointForm.SingleFile, TokenizerFolder: null };
            ClipTokenizer tokenizer = checkpoint.OpenTokenizer(options.Tokenizer ?? (inOneFile ? ShippedTokenizer() : null));
            device = Devices.Open(options);
            return new JeDiEngine(device, checkpoint, tokenizer, Devices.PrecisionOf(options, device));
        }
        catch
        {
            device?.Dispose();
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>A prompt with its encoding, to be kept and used in many requests.</summary>
    public Prompt Encode(string text)
    {
        lock (textLock)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            var ops = new Ops(Device, textArena, compute: networks.Precision.Network);
            return new Prompt(text) { Encoding = JointPipeline.EncodeTexts(ops, networks.Text, Tokens(text)) };
        }
    }

    /// <summary>The words of a prompt that do not fit into its 77 tokens.</summary>
    public IReadOnlyList<string> WordsCut(string text) => tokenizer.Encode(text).Cut;

    /// <summary>
    /// Memory that a session of this shape will take for any request; takes milliseconds and none of it. It is found by a rehearsal with
    /// the networks on a device without numbers, which knows what is prepared already.
    /// </summary>
    /// <exception cref="JeDiException">The shape is impossible: says what to change.</exception>
    /// <exception cref="SamplingException">No such sampler, step count or guidance for this model: says which there are.</exception>
    public MemoryPlan Plan(SessionShape shape)
    {
        var run = SessionRun.Resolve(shape, Checkpoint, Defaults, schedule);
        using var device = new PlanDevice(Device);
        var arena = new Arena(device, blockBytes: 1L << 50);
        using (var pipeline = new JointPipeline(networks, arena, run.LargestJoint, run.Plan, run.Tiling))
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

        lock (textLock)
        {
            Device.Dispose();
            Checkpoint.Dispose();
        }
    }

    internal void Forget(JeDiSession session)
    {
        lock (sessions)
        {
            sessions.Remove(session);
        }
    }

    internal int[] Tokens(string text) => tokenizer.Encode(text).Ids;

    long[] HostFloats(SessionShape shape, SessionRun run) => run.HostFloats(Checkpoint.UNet.OutChannels, shape.AttentionMap);

    /// <summary>Every tensor is there and has its shape, and all of them fit, before the first is read.</summary>
    static void CheckWeights(Device device, Checkpoint checkpoint, Precision? precision)
    {
        using var plan = new PlanDevice(device);
        Networks.Load(plan, checkpoint, precision: precision);
        if (plan.WeightBytes > device.AvailableBytes)
        {
            throw new OutOfDeviceMemoryException(device.Name, plan.WeightBytes, device.AvailableBytes);
        }
    }

    static string ShippedTokenizer() => ShippedFiles.Find("clip-tokenizer")
        ?? throw new JeDiException("the model has no tokenizer and weights/clip-tokenizer was not found; name one with --tokenizer FOLDER");
}
