using JeDi.Sampling;

namespace JeDi;

/// <summary>
/// All that memory and the recorded step depend on; what may change from request to request is in <see cref="JeDiRequest"/>.
/// </summary>
/// <param name="References">Reference images of a set, 0 or more.</param>
/// <param name="Targets">Images made together in one set, sharing their subject.</param>
/// <param name="Width">Pixels, a multiple of 64; 0: the model's default.</param>
/// <param name="Height">Pixels, a multiple of 64; 0: the model's default.</param>
/// <param name="Guidance">Which conditions are evaluated; null: the model's default.</param>
/// <param name="Sampler">A name of <see cref="Sampling.Sampler.Names"/>; null: the model's default.</param>
/// <param name="Steps">Sampler steps; 0: the model's default.</param>
/// <param name="Sets">Separate sets computed side by side; set k has seed S + k. Changes no picture.</param>
public sealed record SessionShape(
    int References = 0,
    int Targets = 1,
    int Width = 0,
    int Height = 0,
    GuidanceMode? Guidance = null,
    string? Sampler = null,
    int Steps = 0,
    int Sets = 1)
{
    /// <summary>
    /// Image to image: share of the steps that run, in (0, 1], from the given image noised to their first level. Null starts from noise
    /// alone.
    /// </summary>
    public double? Strength { get; init; }

    /// <summary>A mask is repainted and the rest of the given image kept.</summary>
    public bool Inpaint { get; init; }

    /// <summary>Fresh noise on the references for each evaluation, instead of one draw that is kept.</summary>
    public bool FreshReferenceNoise { get; init; }

    /// <summary>
    /// Deep features of the network are computed at every so many evaluations and reused between them: sooner done, another picture; 1
    /// computes them always.
    /// </summary>
    public int ReuseInterval { get; init; } = 1;

    /// <summary>Norm-matched guidance is computed (<see cref="JeDiRequest.Rescale"/>).</summary>
    public bool Rescale { get; init; }

    /// <summary>Decode in overlapping tiles: null decides by size and memory-free rule (over 768 pixels a side).</summary>
    public bool? VaeTiling { get; init; }

    /// <summary>
    /// Chunks of 75 tokens that each text of a request may have; more than 1 only with <see cref="PromptSyntax.Weights"/>
    /// (see <see cref="JeDiEngine.TextChunks"/>).
    /// </summary>
    public int TextChunks { get; init; } = 1;

    /// <summary>Correspondences between target and reference locations are collected.</summary>
    public bool AttentionMap { get; init; }

    /// <summary>Says what no model could take; what a model does not have shows when a session is planned.</summary>
    /// <exception cref="ArgumentException">Something is impossible: names the property.</exception>
    public void Validate()
    {
        Arguments.Between(References, 0, SessionRun.MostImages, nameof(References));
        Arguments.Between(Targets, 1, SessionRun.MostImages, nameof(Targets));
        Arguments.Between(Sets, 1, SessionRun.MostImages, nameof(Sets));
        Arguments.AtLeast(Width, 0, nameof(Width));
        Arguments.AtLeast(Height, 0, nameof(Height));
        Arguments.AtLeast(Steps, 0, nameof(Steps));
        Arguments.Between(TextChunks, 1, SessionRun.MostTextChunks, nameof(TextChunks));
        Arguments.AtLeast(ReuseInterval, 1, nameof(ReuseInterval));
        if (Guidance is GuidanceMode mode)
        {
            Arguments.Defined(mode, nameof(Guidance));
        }

        if (Strength is double strength && !(strength > 0 && strength <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(Strength), $"{strength} is out of range, more than 0 up to 1 is possible");
        }
    }
}
