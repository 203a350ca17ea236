using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>
/// From token ids and pixels to pixels, on one page: encode the texts, encode the references, denoise the set jointly, decode the
/// targets. All memory is taken at the first run of each part.
/// </summary>
public sealed class JointPipeline : IDisposable
{
    readonly Networks networks;
    readonly Ops ops;
    readonly Ops autoencoder;
    readonly List<(JointState State, Replay Step, Action Plain)> variants = [];
    readonly VaeTiling? tiling;
    int current;

    /// <param name="networks">On the device of <paramref name="arena"/>, or on the one that its device plans for.</param>
    /// <param name="arena">Empty; the pipeline is its only user.</param>
    /// <param name="shape">Sizes and switches. Requests may do with less: with a simpler kind of key bias, or without guidance.</param>
    /// <param name="plan">The sampler's rows.</param>
    /// <param name="tiling">Pictures are encoded and decoded in tiles of this kind; null: whole.</param>
    /// <param name="kernels">A decorator around the device's kernels; null: these.</param>
    /// <param name="textChunks">Each text is so many times as long as the text encoder's.</param>
    public JointPipeline(
        Networks networks,
        Arena arena,
        JointShape shape,
        SamplerPlan plan,
        VaeTiling? tiling = null,
        Kernels? kernels = null,
        int textChunks = 1)
    {
        this.networks = networks;
        this.tiling = tiling;
        Arena = arena;
        ops = new Ops(arena.Device, arena, kernels, networks.Precision.Network);
        autoencoder = new Ops(arena.Device, arena, kernels, networks.Precision.Autoencoder);
        var whole = new JointState(ops, networks.UNet, shape, plan, textChunks * networks.Text.Config.Positions);
        Add(whole);
        for (KeyBiasKind bias = shape.KeyBias; bias >= KeyBiasKind.None; bias--)
        {
            foreach (bool unguided in (ReadOnlySpan<bool>)[false, true])
            {
                foreach (bool reuses in shape.KeepsDeep ? (ReadOnlySpan<bool>)[false, true] : [false])
                {
                    if ((bias, unguided, reuses) != (shape.KeyBias, shape.Unguided, false) && (unguided || !shape.Unguided))
                    {
                        Add(new JointState(whole, bias, unguided, reuses));
                    }
                }
            }
        }
    }

    /// <summary>Where everything is kept.</summary>
    public Arena Arena { get; }

    /// <summary>Of the variant in use; those of all variants lie in the same memory.</summary>
    public JointState State => variants[current].State;

    /// <summary>Of the network in a run.</summary>
    public int Evaluations => State.Plan.Rows.Count;

    /// <summary>Last hidden states [n, 77, C] of n texts of 77 ids.</summary>
    public float[] EncodeTexts(ReadOnlySpan<int> ids, int skip = 1) => EncodeTexts(ops, networks.Text, ids, skip);

    /// <summary>The same for a text encoder alone.</summary>
    public static float[] EncodeTexts(Ops ops, ClipText text, ReadOnlySpan<int> ids, int skip = 1)
    {
        var states = new float[ids.Length * text.Config.Width];
        EncodeTexts(ops, text, ids, states, skip);
        return states;
    }

    /// <summary>The same into <paramref name="states"/>.</summary>
    public static void EncodeTexts(Ops ops, ClipText text, ReadOnlySpan<int> ids, Span<float> states, int skip = 1)
    {
        int tokens = text.Config.Positions;
        using ArenaScope scope = ops.Scope();
        ops.Device.Read(states, text.Encode(ops, ops.From<int>([ids.Length / tokens, tokens], ids), skip: skip));
    }

    /// <summary>Scaled latent [h, w, 4] of a picture [H, W, 3] in [-1, 1]: the mean times the scaling factor.</summary>
    public float[] EncodeImage(ReadOnlySpan<float> pixels) => EncodeImage(autoencoder, networks.Encoder, State.Shape, tiling, pixels);

    /// <summary>The same for an encoder alone, at the size of such a run.</summary>
    public static float[] EncodeImage(Ops ops, ImageEncoder encoder, JointShape shape, VaeTiling? tiling, ReadOnlySpan<float> pixels)
    {
        var latent = new float[shape.Height * shape.Width * encoder.Config.LatentChannels];
        EncodeImage(ops, encoder, shape, tiling, pixels, latent);
        return latent;
    }

    /// <summary>The same into <paramref name="latent"/>.</summary>
    public static void EncodeImage(
        Ops ops, ImageEncoder encoder, JointShape shape, VaeTiling? tiling, ReadOnlySpan<float> pixels, Span<float> latent)
    {
        int scale = encoder.Config.Scale;
        using ArenaScope scope = ops.Scope();
        Tensor image = ops.From<float>([1, shape.Height * scale, shape.Width * scale, 3], pixels);
        ops.Device.Read(latent, encoder.Latent(ops, image, tiling));
        for (int i = 0; i < latent.Length; i++)
        {
            latent[i] *= encoder.Config.ScalingFactor;
        }
    }

    /// <summary>Picture [H, W, 3] around [-1, 1] of a scaled latent [h, w, 4].</summary>
    public float[] DecodeImage(ReadOnlySpan<float> latent) => DecodeImage(autoencoder, networks.Decoder, State.Shape, tiling, latent);

    /// <summary>The same for a decoder alone, at the size of such a run.</summary>
    public static float[] DecodeImage(Ops ops, ImageDecoder decoder, JointShape shape, VaeTiling? tiling, ReadOnlySpan<float> latent)
    {
        int scale = decoder.Config.Scale;
        var pixels = new float[3 * shape.Height * scale * shape.Width * scale];
        DecodeImage(ops, decoder, shape, tiling, latent, pixels);
        return pixels;
    }

    /// <summary>The same into <paramref name="pixels"/>.</summary>
    public static void DecodeImage(
        Ops ops, ImageDecoder decoder, JointShape shape, VaeTiling? tiling, ReadOnlySpan<float> latent, Span<float> pixels)
    {
        // There is room for the few numbers of a latent where the many of the picture will be.
        Span<float> unscaled = pixels[..latent.Length];
        for (int i = 0; i < latent.Length; i++)
        {
            unscaled[i] = latent[i] / decoder.Config.ScalingFactor;
        }

        using ArenaScope scope = ops.Scope();
        Tensor z = ops.From<float>([1, shape.Height, shape.Width, decoder.Config.LatentChannels], unscaled);
        ops.Device.Read(pixels, decoder.Decode(ops, z, tiling));
    }

    /// <summary>The steps that follow are such: the kind of key bias is the shape's or a simpler one.</summary>
    /// <param name="reusesDeep">Takes the deep features of the evaluation before, where the shape keeps them.</param>
    public void Use(KeyBiasKind bias, bool unguided, bool reusesDeep = false)
    {
        for (int i = 0; i < variants.Count; i++)
        {
            JointShape shape = variants[i].State.Shape;
            if ((shape.KeyBias, shape.Unguided, shape.ReusesDeep) == (bias, unguided, reusesDeep))
            {
                current = i;
            }
        }
    }

    /// <summary>
    /// Brings a request to the device, at its first evaluation, for the step in use and those that leave out guidance or reuse features.
    /// </summary>
    public void Start(JointInputs inputs)
    {
        State.Write(inputs);
        foreach ((JointState state, _, _) in variants)
        {
            if (state != State && state.Shape.KeyBias == State.Shape.KeyBias)
            {
                state.WriteOwn(inputs);
            }
        }
    }

    /// <summary>Computes the next evaluation; allocates nothing once everything has run once.</summary>
    public void Step() => variants[current].Step.Run();

    /// <summary>The same by plain calls: what is to be watched cannot be replayed.</summary>
    public void StepPlainly() => variants[current].Plain();

    /// <summary>Latents of the targets as they are now [sets * T, h, w, 4].</summary>
    public float[] Latents() => ops.Device.ToArray(State.X);

    /// <summary>Latents of one of the targets [h, w, 4].</summary>
    public float[] Latents(int target) => ops.Device.ToArray(State.X.Rows(target, 1));

    /// <summary>
    /// Clean latents as an evaluation that is done saw them, for previews: linear in the latents before it and its prediction.
    /// </summary>
    /// <param name="evaluation">The last one.</param>
    /// <param name="before"><see cref="Latents()"/> as they were before it.</param>
    public float[] PredictedLatents(int evaluation, ReadOnlySpan<float> before)
    {
        (double x, double prediction) = State.Plan.Rows[evaluation].Clean;
        float[] clean = ops.Device.ToArray(State.States[SamplerPlan.Prediction]);
        for (int i = 0; i < clean.Length; i++)
        {
            clean[i] = (float)(x * before[i] + prediction * clean[i]);
        }

        return clean;
    }

    /// <summary>Runs each part once on whatever is in memory, so that all memory, weights and code are ready.</summary>
    public void Rehearse()
    {
        int scale = networks.Decoder.Config.Scale;
        JointShape shape = State.Shape;
        EncodeTexts(new int[networks.Text.Config.Positions]);
        if (shape.EncodesImages)
        {
            EncodeImage(new float[shape.Height * scale * shape.Width * scale * 3]);
        }

        RehearseStep();
        var latent = new float[shape.Height * shape.Width * networks.Decoder.Config.LatentChannels];
        DecodeImage(latent);
        if (networks.Preview is ImageDecoder preview)
        {
            DecodeImage(autoencoder, preview, shape, tiling, latent);
        }
    }

    /// <summary>The same for the steps alone.</summary>
    public void RehearseStep()
    {
        ops.Device.Fill(State.X, 0);
        foreach ((JointState state, Replay step, _) in ops.Device.Captures ? variants : variants[..1])
        {
            for (int run = 0; run < (ops.Device.Captures ? 2 : 1); run++)
            {
                state.SeekTo(0);
                step.Run();
            }
        }
    }

    /// <summary>Gives all memory back.</summary>
    public void Dispose()
    {
        variants.ForEach(variant => variant.Step.Dispose());
        Arena.Release();
    }

    void Add(JointState state)
    {
        var step = new JointStep(ops, networks.UNet, state);
        variants.Add((state, ops.Device.Record(step.Run), step.Run));
    }
}
