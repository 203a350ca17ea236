using JeDi.Files.Images;
using JeDi.Files.Random;
using JeDi.Sampling;

namespace JeDi;

/// <summary>From a request to the numbers of a joint run, in the session's room.</summary>
sealed class SessionInputs(JeDiEngine engine, SessionShape shape, SessionRun run, SessionRoom room, SessionInputs.PhotoEncoding encode)
{
    /// <summary>Writes the scaled latent of a photo.</summary>
    public delegate void PhotoEncoding(PixelImage photo, bool padToFit, Span<float> latent);

    /// <summary>All numbers of a request; texts and photos are encoded where they do not come with their encoding.</summary>
    public JointInputs Of(JeDiRequest request, ReferenceAttention[] attention, JointShape joint)
    {
        int channels = engine.Checkpoint.UNet.OutChannels;
        JointNoise noise = JointNoise.Draw(joint, run.Plan, channels, request.Seed, seed => Stream(request, seed), room.Noise);
        room.Noise = noise;
        float[] image = request.Init is null ? [] : Encoded(request.Init, request.PadToFit);
        float[] mask = request.InpaintMask is null ? [] : Cells(request.InpaintMask, request.PadToFit, value => value >= 0.5f ? 1 : 0);
        return new JointInputs
        {
            InitialNoise = noise.Initial,
            ReferenceNoise = noise.Reference,
            StepNoise = noise.Step,
            Texts = Texts(request, joint),
            References = References(request, joint, channels),
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

    /// <summary>Latents of the photos, the same in every set.</summary>
    float[] References(JeDiRequest request, JointShape joint, int channels)
    {
        int size = joint.Height * joint.Width * channels;
        float[] all = room.References(joint.AllReferences * size);
        for (int i = 0; i < joint.AllReferences; i++)
        {
            Span<float> to = all.AsSpan(i * size, size);
            if (i >= joint.References)
            {
                all.AsSpan((i - joint.References) * size, size).CopyTo(to);
            }
            else if (request.References[i].Latent is float[] kept)
            {
                kept.CopyTo(to);
            }
            else
            {
                encode(request.References[i].Image, request.PadToFit, to);
            }
        }

        return all;
    }

    /// <summary>Encodings in the order of the batch; each text is encoded once.</summary>
    float[] Texts(JeDiRequest request, JointShape joint)
    {
        TextEntry[] entries = [.. joint.Texts(engine.Checkpoint.UNet)];
        int size = shape.TextChunks * engine.Checkpoint.Text.Positions * engine.Checkpoint.Text.Width;
        float[] all = room.Texts(entries.Length * size);
        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach ((int i, TextEntry entry) in entries.Index())
        {
            Span<float> to = all.AsSpan(i * size, size);
            Prompt prompt = entry.Kind switch
            {
                TextKind.Null => "",
                TextKind.Negative => request.Negative,
                _ when entry.Image < joint.References => request.References[entry.Image].Caption ?? request.Prompts[0],
                _ => request.Prompts[request.Prompts.Count == 1 ? 0 : entry.Image - joint.References],
            };
            if (prompt.Encoding is float[] kept)
            {
                kept.CopyTo(to);
            }
            else if (known.TryGetValue(prompt.Text, out int same))
            {
                all.AsSpan(same * size, size).CopyTo(to);
            }
            else
            {
                EncodeText(prompt.Text, request, to);
                known.Add(prompt.Text, i);
            }
        }

        return all;
    }

    /// <exception cref="JeDiException">It is longer than the session is prepared for.</exception>
    void EncodeText(string text, JeDiRequest request, Span<float> states)
    {
        int chunks = engine.TextChunks(text, request.Syntax);
        if (chunks > shape.TextChunks)
        {
            throw new JeDiException($"a text takes {chunks} chunks of 75 tokens, the session is prepared for {shape.TextChunks} "
                + "(SessionShape.TextChunks)");
        }

        engine.EncodeInto(text, request.ClipSkip, request.Syntax, shape.TextChunks, states);
    }

    /// <summary>How a photo is attended to.</summary>
    public ReferenceAttention Attention(Reference reference, bool padToFit) => new(
        reference.Weight,
        reference.Start,
        reference.End,
        reference.Mask is null ? null : Cells(reference.Mask, padToFit, value => value));

    float[] Cells(PixelImage mask, bool padToFit, Func<float, float> each) =>
        [.. run.FitMask(mask, padToFit).ToCells(engine.Checkpoint.Vae.Scale).Select(each)];

    float[] Encoded(PixelImage image, bool padToFit)
    {
        var latent = new float[run.Joint.Height * run.Joint.Width * engine.Checkpoint.UNet.OutChannels];
        encode(image, padToFit, latent);
        return latent;
    }

    static float[] Repeat(float[] values, int times) => [.. Enumerable.Repeat(values, times).SelectMany(v => v)];
}
