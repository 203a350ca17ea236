namespace JeDi.Sampling;

/// <summary>How the predictions under several conditions become one; section 3.3 of the paper.</summary>
public enum GuidanceMode
{
    /// <summary>u + s (c - u), u with null text and null references (eq. 3).</summary>
    Joint,

    /// <summary>u + s (c - u), u with null text, references kept.</summary>
    TextOnly,

    /// <summary>u + s_text (p - u) + s_image (c - p), p with the text alone (eq. 4): the most faithful to the references.</summary>
    TextFirst,

    /// <summary>u + s_image (p - u) + s_text (c - p), p with the references alone (eq. 4): the most faithful to the text.</summary>
    ImageFirst,
}

/// <summary>What the network is told in one of its evaluations: the texts or null text, the references or none.</summary>
public sealed record Condition(bool Text, bool References);

/// <summary>The conditions of each mode and the coefficients of their sum.</summary>
public static class Guidance
{
    static readonly (string Name, GuidanceMode Mode)[] Modes =
    [
        ("joint", GuidanceMode.Joint),
        ("text-only", GuidanceMode.TextOnly),
        ("text-first", GuidanceMode.TextFirst),
        ("image-first", GuidanceMode.ImageFirst),
    ];

    /// <summary>Names as a user writes them.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Modes.Select(mode => mode.Name)];

    /// <summary>The name of a mode, as options spell it.</summary>
    public static string NameOf(GuidanceMode mode) => Modes.First(m => m.Mode == mode).Name;

    /// <exception cref="SamplingException">Unknown name: lists those there are.</exception>
    public static GuidanceMode Parse(string name)
    {
        int index = Array.FindIndex(Modes, mode => mode.Name == name);
        return index >= 0
            ? Modes[index].Mode
            : throw new SamplingException($"unknown guidance '{name}'; there are {string.Join(", ", Names)}");
    }

    /// <summary>
    /// The conditions that are evaluated, in one batch; the full condition c comes last. Conditions that cannot differ are one: without
    /// references, or without channels for them, all that is left is text or null text.
    /// </summary>
    /// <param name="mode">Mode.</param>
    /// <param name="referenceInput">False for a 4-channel network: there references act through the replacement trick alone.</param>
    /// <param name="references">Whether a set has any.</param>
    /// <param name="unguided">Both scales are 1: c alone.</param>
    /// <exception cref="SamplingException">A mode of eq. 4 with a network that has no reference input.</exception>
    public static Condition[] Conditions(GuidanceMode mode, bool referenceInput, bool references, bool unguided = false)
    {
        if (!referenceInput && mode is GuidanceMode.TextFirst or GuidanceMode.ImageFirst)
        {
            throw new SamplingException(
                $"guidance {NameOf(mode)} needs a network with reference channels (9 inputs); this one takes joint or text-only");
        }

        IEnumerable<Condition> all = Terms(mode, 1, 1).Select(term => Merge(term.Condition, referenceInput && references));
        return [.. unguided ? all.TakeLast(1) : all.Distinct()];
    }

    /// <summary>Coefficients of the predictions of these <paramref name="conditions"/>; they add up to 1.</summary>
    /// <exception cref="SamplingException">The conditions are those of scale 1, the scales are not.</exception>
    public static double[] Coefficients(GuidanceMode mode, Condition[] conditions, double textScale, double imageScale)
    {
        (Condition Condition, double Coefficient)[] terms = Terms(mode, textScale, imageScale);
        if (conditions.Length == 1)
        {
            bool full = terms[..^1].All(term => term.Coefficient == 0);
            return full ? [1] : throw new SamplingException("an unguided run takes the scale 1 only");
        }

        bool references = conditions.Any(condition => condition.References);
        return [.. conditions.Select(c => terms.Where(term => Merge(term.Condition, references) == c).Sum(term => term.Coefficient))];
    }

    /// <summary>The equations, sorted by condition.</summary>
    static (Condition Condition, double Coefficient)[] Terms(GuidanceMode mode, double textScale, double imageScale)
    {
        Condition none = new(false, false);
        Condition text = new(true, false);
        Condition image = new(false, true);
        Condition all = new(true, true);
        return mode switch
        {
            GuidanceMode.Joint => [(none, 1 - textScale), (all, textScale)],
            GuidanceMode.TextOnly => [(image, 1 - textScale), (all, textScale)],
            GuidanceMode.TextFirst => [(none, 1 - textScale), (text, textScale - imageScale), (all, imageScale)],
            _ => [(none, 1 - imageScale), (image, imageScale - textScale), (all, textScale)],
        };
    }

    static Condition Merge(Condition condition, bool references) => condition with { References = condition.References && references };
}
