namespace JeDi;

/// <summary>
/// Whether a request is possible (else an argument exception names the property) and fits its session (else one line says what to change).
/// </summary>
static class RequestCheck
{
    /// <summary>Seeds of a run's pictures are counted on from it.</summary>
    const long MostSeed = long.MaxValue / 2;

    public static void Check(JeDiRequest request, SessionShape shape, SessionRun run, int channels, int textFloats, int textLayers)
    {
        CheckArguments(request, textLayers);
        foreach (Prompt text in Texts(request))
        {
            Arguments.Fits(text.Encoding, shape.TextChunks * textFloats, nameof(text.Encoding));
        }

        foreach (Reference reference in request.References)
        {
            Arguments.Fits(reference.Latent, run.Joint.Height * run.Joint.Width * channels, nameof(reference.Latent));
        }

        Expect(request.Prompts.Count == 1 || request.Prompts.Count == shape.Targets,
            $"{request.Prompts.Count} prompts for {shape.Targets} targets; give one, or one for each");
        Expect(request.References.Count == shape.References,
            $"{request.References.Count} references in a request to a session for {shape.References}");
        Expect(!shape.Inpaint || (request.Init is not null && request.InpaintMask is not null), "inpainting needs an image and a mask");
        Expect(shape.Inpaint || request.InpaintMask is null,
            "a mask was given, but the session is not prepared for it (SessionShape.Inpaint)");
        Expect(shape.Strength is null || request.Init is not null, $"strength {shape.Strength} needs an image to start from");
        Expect(shape.Inpaint || shape.Strength is not null || request.Init is null,
            "an image to start from needs a session with SessionShape.Strength or SessionShape.Inpaint");
        Expect(request.Rescale == 0 || shape.Rescale,
            "rescale was given, but the session is not prepared for it (SessionShape.Rescale)");
    }

    /// <summary>What no session could take.</summary>
    public static void CheckArguments(JeDiRequest request, int textLayers)
    {
        ArgumentNullException.ThrowIfNull(request);
        Arguments.NoNulls(request.Prompts, nameof(request.Prompts));
        ArgumentNullException.ThrowIfNull(request.Negative, nameof(request.Negative));
        Arguments.NoNulls(request.References, nameof(request.References));
        Arguments.Between(request.Seed, -1, MostSeed, nameof(request.Seed));
        Arguments.Between(request.ClipSkip, 1, textLayers, nameof(request.ClipSkip));
        Arguments.AtLeast(request.PreviewEvery, 0, nameof(request.PreviewEvery));
        Arguments.Defined(request.Syntax, nameof(request.Syntax));
        Arguments.Finite(request.TextScale, nameof(request.TextScale));
        Arguments.Finite(request.ImageScale, nameof(request.ImageScale));
        Arguments.Between(request.Rescale, 0, 1, nameof(request.Rescale));
        Arguments.Share(request.GuidanceFrom, request.GuidanceTo, nameof(request.GuidanceFrom), nameof(request.GuidanceTo));
        foreach ((int i, Reference reference) in request.References.Index())
        {
            ArgumentNullException.ThrowIfNull(reference.Image, $"References[{i}].Image");
            Arguments.Between(reference.Weight, 0, 1, $"References[{i}].Weight");
            Arguments.Share(reference.Start, reference.End, $"References[{i}].Start", $"References[{i}].End");
        }

        foreach (Prompt prompt in Texts(request))
        {
            ArgumentNullException.ThrowIfNull(prompt.Text, nameof(prompt.Text));
        }
    }

    /// <summary>The shape with what a request asks for.</summary>
    public static SessionShape Fitting(SessionShape shape, JeDiRequest request, Func<string, int> chunks) => shape with
    {
        References = request.References.Count,
        Targets = request.Prompts.Count > 1 ? request.Prompts.Count : shape.Targets,
        Inpaint = shape.Inpaint || request.InpaintMask is not null,
        Rescale = shape.Rescale || request.Rescale > 0,
        TextChunks = Math.Max(shape.TextChunks, Texts(request).Max(prompt => prompt.Encoding is null ? chunks(prompt.Text) : 1)),
    };

    static IEnumerable<Prompt> Texts(JeDiRequest request) =>
        [.. request.Prompts, request.Negative, .. request.References.Select(reference => reference.Caption).OfType<Prompt>()];

    static void Expect(bool right, string what)
    {
        if (!right)
        {
            throw new JeDiException(what);
        }
    }
}
