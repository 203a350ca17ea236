namespace JeDi;

/// <summary>Whether a request fits its session; each misfit is one line that says what to change.</summary>
static class RequestCheck
{
    /// <summary>Seeds of a run's pictures are counted on from it.</summary>
    const long MostSeed = long.MaxValue / 2;

    public static void Check(JeDiRequest request, SessionShape shape, SessionRun run, int channels, int textFloats, int textLayers)
    {
        CheckArguments(request, textLayers);
        CheckEncodings(request, shape.TextChunks * textFloats);
        Expect(request.Prompts.Count == 1 || request.Prompts.Count == shape.Targets,
            $"{request.Prompts.Count} prompts for {shape.Targets} targets; give one, or one for each");
        Expect(request.References.Count == shape.References,
            $"{request.References.Count} references in a request to a session for {shape.References}");
        Expect(!shape.Inpaint || (request.Init is not null && request.InpaintMask is not null), "inpainting needs an image and a mask");
        Expect(shape.Inpaint || request.InpaintMask is null, "a mask was given, but the session is not prepared for inpainting");
        Expect(shape.Strength is null || request.Init is not null, $"strength {shape.Strength} needs an image to start from");
        Expect(shape.Inpaint || shape.Strength is not null || request.Init is null,
            "an image to start from needs a session with a strength, or with inpainting");
        Expect(request.Rescale is >= 0 and <= 1, $"rescale {request.Rescale} is out of range, 0 to 1 is possible");
        Expect(request.Rescale == 0 || shape.Rescale, "rescale was given, but the session is not prepared for it");
        Expect(request.GuidanceFrom >= 0 && request.GuidanceFrom < request.GuidanceTo && request.GuidanceTo <= 1,
            $"guidance from {request.GuidanceFrom} to {request.GuidanceTo} is no share of the steps; 0 <= from < to <= 1");
        for (int i = 0; i < request.References.Count; i++)
        {
            Check(request.References[i], i + 1, run.Joint.Height * run.Joint.Width * channels);
        }
    }

    /// <summary>What no session could take.</summary>
    static void CheckArguments(JeDiRequest request, int textLayers)
    {
        ArgumentNullException.ThrowIfNull(request);
        Arguments.NoNulls(request.Prompts, nameof(request.Prompts));
        ArgumentNullException.ThrowIfNull(request.Negative, nameof(request.Negative));
        Arguments.NoNulls(request.References, nameof(request.References));
        Arguments.Between(request.Seed, -1, MostSeed, nameof(request.Seed));
        Arguments.Between(request.ClipSkip, 1, textLayers, nameof(request.ClipSkip));
        Arguments.Between(request.PreviewEvery, 0, int.MaxValue, nameof(request.PreviewEvery));
        Arguments.Defined(request.Syntax, nameof(request.Syntax));
        Arguments.Finite(request.TextScale, nameof(request.TextScale));
        Arguments.Finite(request.ImageScale, nameof(request.ImageScale));
        Arguments.Finite(request.Rescale, nameof(request.Rescale));
        foreach (Reference reference in request.References)
        {
            ArgumentNullException.ThrowIfNull(reference.Image, nameof(reference.Image));
        }

        foreach (Prompt prompt in request.Prompts.Append(request.Negative))
        {
            ArgumentNullException.ThrowIfNull(prompt.Text, nameof(prompt.Text));
        }
    }

    static void CheckEncodings(JeDiRequest request, int floats)
    {
        IEnumerable<Prompt> texts = [.. request.Prompts, request.Negative, .. request.References.Select(r => r.Caption).OfType<Prompt>()];
        if (texts.FirstOrDefault(text => text.Encoding is not null && text.Encoding.Length != floats) is Prompt other)
        {
            throw new ArgumentException(
                $"an encoding has {other.Encoding!.Length} numbers, this model takes {floats} in this session; it is another model's, "
                    + "or has other chunks",
                nameof(other.Encoding));
        }
    }

    static void Check(Reference reference, int number, int latent)
    {
        Expect(reference.Weight is >= 0 and <= 1, $"reference {number}: weight {reference.Weight} is out of range, 0 to 1 is possible");
        Expect(reference.Start >= 0 && reference.Start < reference.End && reference.End <= 1,
            $"reference {number}: start {reference.Start} and end {reference.End} are no share of the steps; 0 <= start < end <= 1");
        Expect(reference.Latent is null || reference.Latent.Length == latent,
            $"reference {number}: its latent has {reference.Latent?.Length} numbers, the session's size takes {latent}");
    }

    static void Expect(bool right, string what)
    {
        if (!right)
        {
            throw new JeDiException(what);
        }
    }
}
