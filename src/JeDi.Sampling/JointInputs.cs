namespace JeDi.Sampling;

/// <summary>
/// The numbers of one request to a joint run, on the host. Latents are [images, h, w, 4], set by set. What a run does not need stays
/// empty.
/// </summary>
public sealed record JointInputs
{
    /// <summary>Unit noise that the targets start from, and that given images are noised with [sets * T, h, w, 4].</summary>
    public required float[] InitialNoise { get; init; }

    /// <summary>Encoded texts in the order of <see cref="JointShape.Texts"/> [texts, tokens, C].</summary>
    public required float[] Texts { get; init; }

    /// <summary>Latents of the references, scaled [sets * R, h, w, 4].</summary>
    public float[] References { get; init; } = [];

    /// <summary>Noise of the references [sets * R, h, w, 4], or fresh for each evaluation [evaluations, sets * R, h, w, 4].</summary>
    public float[] ReferenceNoise { get; init; } = [];

    /// <summary>The draws of the evaluations that draw, in order [draws, sets * T, h, w, 4].</summary>
    public float[] StepNoise { get; init; } = [];

    /// <summary>Image to image and inpainting: latents of the given images, scaled [sets * T, h, w, 4].</summary>
    public float[] Images { get; init; } = [];

    /// <summary>Inpainting: 1 = repaint [sets * T, h, w].</summary>
    public float[] InpaintMask { get; init; } = [];

    /// <summary>References of a set, as they are attended to; empty: all fully.</summary>
    public IReadOnlyList<ReferenceAttention> Attention { get; init; } = [];

    /// <summary>Scale of the text.</summary>
    public double TextScale { get; init; } = 7.5;

    /// <summary>Scale of the references.</summary>
    public double ImageScale { get; init; } = 7.5;

    /// <summary>Share of norm matching.</summary>
    public double Rescale { get; init; }
}

/// <summary>How strongly, when and where a reference is attended to.</summary>
/// <param name="Weight">0 to 1: its logarithm is added to the attention logits of the reference's keys.</param>
/// <param name="Start">Share of the steps at which it comes in.</param>
/// <param name="End">Share of the steps at which it goes out.</param>
/// <param name="Inside">Share of each latent location that is subject [h, w]; null: all of it. Under one half is dropped.</param>
public sealed record ReferenceAttention(double Weight = 1, double Start = 0, double End = 1, float[]? Inside = null)
{
    /// <summary>Whether the keys of this reference are just like those of a target.</summary>
    public bool IsPlain => Weight == 1 && Start <= 0 && End >= 1 && Inside is null;

    /// <summary>What a set of references asks for.</summary>
    public static KeyBiasKind KindOf(IReadOnlyList<ReferenceAttention> references) =>
        references.Any(reference => reference.Inside is not null) ? KeyBiasKind.PerLocation
        : references.All(reference => reference.IsPlain) ? KeyBiasKind.None
        : KeyBiasKind.PerImage;

    /// <summary>Whether it takes part when such a share of the steps is done.</summary>
    public bool IsInAt(double share) => share >= Start && share < End;

    /// <summary>Added to the logits of the reference's keys when such a share of the steps is done; minus infinity if it is out.</summary>
    public float BiasAt(double share) => IsInAt(share) ? (float)Math.Log(Weight) : float.NegativeInfinity;
}
