using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>
/// Everything a joint run keeps on the device between evaluations, and how a request gets there. Made once per shape and plan; each
/// request writes its numbers into the same memory.
/// </summary>
public sealed class JointState
{
    readonly Ops ops;
    readonly UNet network;
    readonly JointState? whole;
    AttentionObserver? observer;

    /// <summary>Takes the memory of a run.</summary>
    public JointState(Ops ops, UNet network, JointShape shape, SamplerPlan plan, int tokens)
    {
        this.ops = ops;
        this.network = network;
        Shape = shape;
        Plan = plan;
        Conditions = shape.Conditions(network.Config);
        int channels = network.Config.OutChannels;
        int batch = Conditions.Length * shape.Images;
        Shape latents = [shape.AllTargets, shape.Height, shape.Width, channels];
        Evaluation = ops.From<int>([1], [0]);
        Following = ops.New([1, 1], DType.I32);
        FollowingOf = ops.From<int>([plan.Rows.Count, 1], [.. plan.Rows.Select((_, i) => (i + 1) % plan.Rows.Count)]);
        Row = new JointRow(ops, plan, batch);
        States = [.. Enumerable.Range(0, plan.StateCount).Select(_ => ops.New(latents))];
        Noisy = ops.New(latents.WithFirst(shape.Images));
        Clean = ops.New(latents.WithFirst(shape.Images));
        Masks = [.. Conditions.Select(_ => ops.New([shape.Images]))];
        Packed = ops.Room([batch, shape.Height, shape.Width, network.Config.InChannels]);
        Predicted = ops.New(latents.WithFirst(Conditions.Length * shape.AllTargets));
        GuidanceScales = ops.New([Conditions.Length]);
        Amount = ops.New([1]);
        int referenceRows = shape.FreshReferenceNoise ? plan.Rows.Count : 1;
        ReferenceNoises = ops.New([referenceRows, shape.AllReferences, shape.Height, shape.Width, channels]);
        ReferenceNoise = ops.New(latents.WithFirst(shape.AllReferences));
        int draws = plan.Rows.Count(row => row.DrawsNoise);
        StepNoises = draws == 0 ? default : ops.New([draws, shape.AllTargets, shape.Height, shape.Width, channels]);
        int drawn = 0;
        int[] drawOf = [.. plan.Rows.Select(row => row.DrawsNoise ? drawn++ : Math.Max(0, drawn - 1))];
        DrawOfEvaluation = ops.From<int>([drawOf.Length, 1], drawOf);
        Draw = ops.New([1, 1], DType.I32);
        Image = ops.New(latents);
        InitialNoise = ops.New(latents);
        Known = shape.Inpaint ? ops.New(latents) : default;
        InpaintMask = shape.Inpaint ? ops.New([shape.AllTargets, shape.Height, shape.Width, 1]) : default;
        Deep = shape.KeepsDeep ? ops.Room([batch, shape.Height, shape.Width, network.Config.Channels[0]]) : default;
        KeyBias = new JointKeyBias(ops, shape, plan, Conditions.Length, network.Config.Levels);
        Texts = ops.New([shape.Texts(network.Config).Count(), tokens, network.Config.ContextWidth]);
        TextKeys = network.EncodeText(ops, Texts);
        Batch = MakeBatch();
    }

    /// <summary>
    /// A step that does less in the memory of <paramref name="whole"/>: with a simpler kind of key bias, or with the full condition alone.
    /// </summary>
    internal JointState(JointState whole, KeyBiasKind bias, bool unguided, bool reusesDeep)
    {
        ops = whole.ops;
        network = whole.network;
        this.whole = whole;
        Shape = whole.Shape with { KeyBias = bias, Unguided = unguided, ReusesDeep = reusesDeep };
        Plan = whole.Plan;
        Conditions = Shape.Conditions(network.Config);
        int conditions = Conditions.Length;
        int texts = Shape.Texts(network.Config).Count();
        (Evaluation, Following, FollowingOf, Row, States) = (whole.Evaluation, whole.Following, whole.FollowingOf, whole.Row, whole.States);
        (Noisy, Clean, Amount) = (whole.Noisy, whole.Clean, whole.Amount);
        (ReferenceNoises, ReferenceNoise) = (whole.ReferenceNoises, whole.ReferenceNoise);
        (StepNoises, DrawOfEvaluation, Draw) = (whole.StepNoises, whole.DrawOfEvaluation, whole.Draw);
        (Image, InitialNoise, Known, InpaintMask) = (whole.Image, whole.InitialNoise, whole.Known, whole.InpaintMask);
        Masks = whole.Masks[^conditions..];
        Packed = whole.Packed.Rows(0, conditions * Shape.Images);
        Predicted = whole.Predicted.Rows(0, conditions * Shape.AllTargets);
        GuidanceScales = conditions == whole.Conditions.Length ? whole.GuidanceScales : ops.From<float>([1], [1]);
        Deep = whole.Deep.Exists ? whole.Deep.Rows(whole.Deep.Shape[0] - conditions * Shape.Images, conditions * Shape.Images) : default;
        KeyBias = new JointKeyBias(ops, Shape, Plan, conditions, network.Config.Levels);
        Texts = whole.Texts.Rows(whole.Texts.Shape[0] - texts, texts);
        TextKeys = whole.TextKeys.Last(texts);
        Batch = MakeBatch();
    }

    /// <summary>Who takes part.</summary>
    public JointShape Shape { get; }

    /// <summary>The sampler.</summary>
    public SamplerPlan Plan { get; }

    /// <summary>What the network is evaluated for, the full condition last.</summary>
    public Condition[] Conditions { get; }

    /// <summary>I32 [1]: the evaluation that the next step computes. A step moves it on; after the last comes the first.</summary>
    public Tensor Evaluation { get; }

    /// <summary>The latents of the targets [sets * T, h, w, 4].</summary>
    public Tensor X => States[SamplerPlan.X];

    /// <summary>I32 [evaluations, 1]: for each evaluation the one after it.</summary>
    internal Tensor FollowingOf { get; }

    internal Tensor Following { get; }

    internal JointRow Row { get; }

    internal Tensor[] States { get; }

    internal Tensor Noisy { get; }

    internal Tensor Clean { get; }

    internal Tensor[] Masks { get; }

    /// <summary>The network's input, condition by condition.</summary>
    internal Tensor Packed { get; }

    /// <summary>Its predictions for the targets [conditions * sets * T, h, w, 4].</summary>
    internal Tensor Predicted { get; }

    internal Tensor GuidanceScales { get; }

    internal Tensor Amount { get; }

    internal Tensor ReferenceNoises { get; }

    internal Tensor ReferenceNoise { get; }

    internal Tensor StepNoises { get; }

    internal Tensor DrawOfEvaluation { get; }

    internal Tensor Draw { get; }

    internal Tensor Image { get; }

    internal Tensor InitialNoise { get; }

    internal Tensor Known { get; }

    internal Tensor InpaintMask { get; }

    /// <summary>Features of the full condition last, as in the network's batch.</summary>
    internal Tensor Deep { get; }

    internal JointKeyBias KeyBias { get; }

    internal Tensor Texts { get; }

    internal TextKeys TextKeys { get; }

    internal JointBatch Batch { get; }

    /// <summary>Sees queries and keys of the attention layers while a step runs; null: nobody.</summary>
    public AttentionObserver? Observer
    {
        get => whole is null ? observer : whole.Observer;
        set
        {
            if (whole is null)
            {
                observer = value;
            }
            else
            {
                whole.Observer = value;
            }
        }
    }

    /// <summary>Brings a request's numbers to the device and the run to its first evaluation.</summary>
    public void Write(JointInputs inputs)
    {
        Device device = ops.Device;
        device.Write<float>(Texts, inputs.Texts);
        network.EncodeText(ops, Texts, TextKeys);
        device.Write<float>(InitialNoise, inputs.InitialNoise);
        if (Image.Count == inputs.Images.Length)
        {
            device.Write<float>(Image, inputs.Images);
        }

        WriteReferences(inputs);
        WriteMasks();
        WriteOwn(inputs);
        double[] guidance = Guidance.Coefficients(Shape.Guidance, Conditions, inputs.TextScale, inputs.ImageScale);
        device.Write<float>(GuidanceScales, ToFloats(guidance));
        device.Write<float>(Amount, [(float)inputs.Rescale]);
        if (StepNoises.Exists)
        {
            device.Write<float>(StepNoises, inputs.StepNoise);
        }

        if (Shape.Inpaint)
        {
            device.Write<float>(InpaintMask, inputs.InpaintMask);
        }

        WriteStart();
        SeekTo(0);
    }

    /// <summary>What no other variant of the step shares.</summary>
    internal void WriteOwn(JointInputs inputs) => KeyBias.Write(ops, inputs.Attention);

    /// <summary>Makes <paramref name="evaluation"/> the one that the next step computes.</summary>
    public void SeekTo(int evaluation) => ops.Device.Write<int>(Evaluation, [evaluation]);

    void WriteReferences(JointInputs inputs)
    {
        int size = (int)(Clean.Count / Clean.Shape[0]);
        ops.Device.Fill(Clean, 0);
        for (int i = 0; i < Shape.AllReferences; i++)
        {
            int image = i / Shape.References * Shape.SetImages + i % Shape.References;
            ops.Device.Write<float>(Clean.Rows(image, 1), inputs.References.AsSpan(i * size, size));
        }

        ops.Device.Write<float>(ReferenceNoises, inputs.ReferenceNoise);
        if (!Shape.FreshReferenceNoise)
        {
            ops.Device.Write<float>(ReferenceNoise, inputs.ReferenceNoise);
        }
    }

    void WriteMasks()
    {
        var mask = new float[Shape.Images];
        for (int c = 0; c < Conditions.Length; c++)
        {
            for (int i = 0; i < mask.Length; i++)
            {
                mask[i] = i % Shape.SetImages < Shape.References && Conditions[c].References ? 0 : 1;
            }

            ops.Device.Write<float>(Masks[c], mask);
        }
    }

    void WriteStart()
    {
        using ArenaScope scope = ops.Scope();
        NoiseLevel level = Plan.Rows[0].Level;
        double image = Shape.FromImages ? level.Alpha : 0;
        double noise = Shape.FromImages ? level.Sigma : Plan.InitialScale;
        ops.Combine(X, ops.From<float>([2], [(float)image, (float)noise]), Image, InitialNoise);
    }

    JointBatch MakeBatch()
    {
        int batch = Conditions.Length * Shape.Images;
        int[] sets = [.. Enumerable.Repeat(Shape.SetImages, Conditions.Length * Shape.Sets)];
        int[] texts = [.. Shape.Texts(network.Config).SelectMany((entry, i) => Enumerable.Repeat(i, entry.Count))];
        int[] targets = [.. Enumerable.Range(0, batch).Where(i => i % Shape.SetImages >= Shape.References)];
        return new JointBatch(ops, sets, texts, Shape.References == 0 ? [] : targets)
        {
            KeyBias = KeyBias.Current,
            Observer = (o, layer, queries, keys, bias, heads) => Observer?.Invoke(o, layer, queries, keys, bias, heads),
        };
    }

    static float[] ToFloats(double[] values) => [.. values.Select(value => (float)value)];
}
