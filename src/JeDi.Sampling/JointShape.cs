using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>How keys of references are held back.</summary>
public enum KeyBiasKind
{
    /// <summary>All references count fully, all the time.</summary>
    None,

    /// <summary>One value per image: weights, start and end.</summary>
    PerImage,

    /// <summary>One value per location: masks.</summary>
    PerLocation,
}

/// <summary>
/// Sizes and switches of a joint run: all that its memory and its recorded step depend on. A set is its references, then its targets;
/// the batch of the network is condition by condition, set by set.
/// </summary>
/// <param name="Sets">Separate sets side by side.</param>
/// <param name="References">References of a set (R).</param>
/// <param name="Targets">Targets of a set (T).</param>
/// <param name="Height">Of the latents (h).</param>
/// <param name="Width">Of the latents (w).</param>
/// <param name="Guidance">Mode.</param>
public sealed record JointShape(int Sets, int References, int Targets, int Height, int Width, GuidanceMode Guidance)
{
    /// <summary>How references are weighed.</summary>
    public KeyBiasKind KeyBias { get; init; }

    /// <summary>Noise is drawn on the references for each evaluation, instead of once.</summary>
    public bool FreshReferenceNoise { get; init; }

    /// <summary>Image to image: the targets start from given images noised to the first evaluation's level.</summary>
    public bool FromImages { get; init; }

    /// <summary>Guidance is matched to the norm of the full condition.</summary>
    public bool Rescale { get; init; }

    /// <summary>Deep features are kept from one evaluation for the ones after it (<see cref="StepSchedule"/>).</summary>
    public bool KeepsDeep { get; init; }

    /// <summary>This evaluation takes the deep features that are kept, instead of computing them.</summary>
    public bool ReusesDeep { get; init; }

    /// <summary>Both scales are 1, so that the full condition is all there is to evaluate.</summary>
    public bool Unguided { get; init; }

    /// <summary>A mask is repainted.</summary>
    public bool Inpaint { get; init; }

    /// <summary>Whether there are pictures to encode: references, or images to start from.</summary>
    public bool EncodesImages => References > 0 || Inpaint || FromImages;

    /// <summary>Images of a set (N = R + T).</summary>
    public int SetImages => References + Targets;

    /// <summary>Images of all sets.</summary>
    public int Images => Sets * SetImages;

    /// <summary>Targets of all sets.</summary>
    public int AllTargets => Sets * Targets;

    /// <summary>References of all sets.</summary>
    public int AllReferences => Sets * References;

    /// <summary>What the network is evaluated for, the full condition last.</summary>
    public Condition[] Conditions(UNetConfig network) =>
        Sampling.Guidance.Conditions(Guidance, network.InputLayout != InputLayout.Noisy, References > 0, Unguided);

    /// <summary>
    /// The texts of the batch in order. Under a condition with text every image follows its own; under null text the references of a
    /// set share the null text and its targets share the negative prompt.
    /// </summary>
    public IEnumerable<TextEntry> Texts(UNetConfig network)
    {
        foreach (Condition condition in Conditions(network))
        {
            for (int set = 0; set < Sets; set++)
            {
                if (condition.Text)
                {
                    for (int image = 0; image < SetImages; image++)
                    {
                        yield return new TextEntry(TextKind.Own, set, image, 1);
                    }
                }
                else
                {
                    if (References > 0)
                    {
                        yield return new TextEntry(TextKind.Null, set, 0, References);
                    }

                    yield return new TextEntry(TextKind.Negative, set, References, Targets);
                }
            }
        }
    }
}

/// <summary>Which text an entry of the batch is.</summary>
public enum TextKind
{
    /// <summary>The image's own prompt or caption.</summary>
    Own,

    /// <summary>The empty prompt.</summary>
    Null,

    /// <summary>The negative prompt; the empty one if there is none.</summary>
    Negative,
}

/// <summary>A text of the batch: followed by <paramref name="Count"/> images from image <paramref name="Image"/> of a set on.</summary>
public sealed record TextEntry(TextKind Kind, int Set, int Image, int Count);
