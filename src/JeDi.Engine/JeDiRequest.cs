using JeDi.Files.Images;

namespace JeDi;

/// <summary>One request to a session: what is to be drawn, from which references, with which numbers.</summary>
public sealed record JeDiRequest
{
    /// <summary>One prompt for all targets, or one for each.</summary>
    public required IReadOnlyList<Prompt> Prompts { get; init; }

    /// <summary>Takes the place of the null text of the targets.</summary>
    public Prompt Negative { get; init; } = "";

    /// <summary>As many as the session's shape says.</summary>
    public IReadOnlyList<Reference> References { get; init; } = [];

    /// <summary>How brackets in all texts are read.</summary>
    public PromptSyntax Syntax { get; init; }

    /// <summary>Which layer of the text encoder is followed, counted from the end: 1 the last, 2 the one before.</summary>
    public int ClipSkip { get; init; } = 1;

    /// <summary>Seed of the first set; target t of it starts from the stream of seed + t. -1: one is drawn.</summary>
    public long Seed { get; init; }

    /// <summary>Scale of the text; null: the model's default.</summary>
    public double? TextScale { get; init; }

    /// <summary>Scale of the references in text-first and image-first guidance; null: the model's default.</summary>
    public double? ImageScale { get; init; }

    /// <summary>Share of norm matching, 0 to 1; the session's shape must have it on.</summary>
    public double Rescale { get; init; }

    /// <summary>Numbers as PyTorch draws them on a CUDA device instead of the CPU.</summary>
    public bool TorchCudaRandom { get; init; }

    /// <summary>Image to start from (image to image) or to repaint (inpainting).</summary>
    public PixelImage? Init { get; init; }

    /// <summary>White = repaint. The session's shape must have inpainting on.</summary>
    public PixelImage? InpaintMask { get; init; }

    /// <summary>Padding instead of cropping where a photo has another aspect ratio.</summary>
    public bool PadToFit { get; init; }

    /// <summary>Share of the steps from which guidance is computed; before it the full condition alone counts, at half the cost.</summary>
    public double GuidanceFrom { get; init; }

    /// <summary>Share of the steps up to which guidance is computed.</summary>
    public double GuidanceTo { get; init; } = 1;

    /// <summary>
    /// The result has latents and no pictures yet, which
    /// <see cref="JeDiSession.Decode(JeDiRequest, JeDiResult, CancellationToken)"/> makes: with low memory, many requests are denoised
    /// before the first is decoded.
    /// </summary>
    public bool LatentsOnly { get; init; }

    /// <summary>Called with the pictures so far after every so many steps; null or 0: never.</summary>
    public int PreviewEvery { get; init; }

    /// <summary>Takes step and pictures so far (see <see cref="PreviewEvery"/>).</summary>
    public Action<int, IReadOnlyList<PixelImage>>? Preview { get; init; }
}

/// <summary>A prompt as text, or text with its encoding kept from before (<see cref="JeDiEngine.Encode"/>).</summary>
public sealed record Prompt(string Text)
{
    /// <summary>The text encoder's output [chunks * 77, C]; null: encoded when needed.</summary>
    public float[]? Encoding { get; init; }

    /// <summary>A text is a prompt.</summary>
    public static implicit operator Prompt(string text) => new(text);
}

/// <summary>A photo of the subject.</summary>
public sealed record Reference
{
    /// <summary>The picture, of any size.</summary>
    public required PixelImage Image { get; init; }

    /// <summary>What the photo shows; null: the first target's prompt.</summary>
    public Prompt? Caption { get; init; }

    /// <summary>0 to 1: how strongly the photo is attended to (its logarithm is added to the attention logits).</summary>
    public double Weight { get; init; } = 1;

    /// <summary>White = subject; black locations are not attended to.</summary>
    public PixelImage? Mask { get; init; }

    /// <summary>Share of the steps at which the photo comes in.</summary>
    public double Start { get; init; }

    /// <summary>Share of the steps at which the photo goes out.</summary>
    public double End { get; init; } = 1;

    /// <summary>The autoencoder's latent [h, w, 4] for the session's size, kept from before; null: encoded when needed.</summary>
    public float[]? Latent { get; init; }
}
