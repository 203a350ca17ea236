using JeDi.Files.Random;

namespace JeDi.Datasets.Emoji;

/// <summary>How a background is painted.</summary>
public enum EmojiPattern
{
    Plain,
    Striped,
    Dotted,
    Checked,
}

/// <summary>Where the subject stands.</summary>
public enum EmojiPlace
{
    Left,
    Right,
    Top,
    Bottom,
    Middle,
}

/// <summary>One designer's drawing of one thing in one recolouring.</summary>
/// <param name="Entry">The drawing.</param>
/// <param name="Hue">Turn of the hue, radians.</param>
/// <param name="Saturation">Factor of the saturation.</param>
public sealed record EmojiSubject(EmojiEntry Entry, double Hue, double Saturation)
{
    /// <summary>As it was drawn.</summary>
    public EmojiSubject(EmojiEntry entry)
        : this(entry, 0, 1)
    {
    }

    /// <summary>In colours of its own, so that no colour follows from the name.</summary>
    public static EmojiSubject Recoloured(EmojiEntry entry, SplitMix random) =>
        new(entry, 2 * Math.PI * random.Uniform(), 0.6 + 0.8 * random.Uniform());
}

/// <summary>How a subject is shown in one picture; lengths are shares of the picture's side.</summary>
/// <param name="Colour">Entry of <see cref="Colours"/>.</param>
/// <param name="Pattern">Of the background.</param>
/// <param name="Place">Which the caption names.</param>
/// <param name="X">Middle of the subject, from the left.</param>
/// <param name="Y">From the top.</param>
/// <param name="Size">Side of the drawing.</param>
/// <param name="Turn">Radians, clockwise.</param>
/// <param name="Mirrored">Left and right exchanged.</param>
/// <param name="Period">Length after which the pattern repeats.</param>
/// <param name="Phase">Where the pattern begins.</param>
/// <param name="Direction">Of stripes: 0 slanting, 1 vertical, 2 horizontal.</param>
/// <param name="Shade">Small change of the background's red, green and blue.</param>
public sealed record EmojiLook(
    int Colour,
    EmojiPattern Pattern,
    EmojiPlace Place,
    double X,
    double Y,
    double Size,
    double Turn,
    bool Mirrored,
    double Period,
    double Phase,
    int Direction,
    (double R, double G, double B) Shade)
{
    const double LeastSize = 0.5;
    const double MostSize = 0.85;
    const double MostTurn = 25 * Math.PI / 180;
    const double ShadeDeviation = 6;

    // Plain ones as often as all patterns together.
    static readonly double[] patternWeights = [4, 1, 1, 1];

    /// <summary>Names and values of the backgrounds' colours.</summary>
    public static IReadOnlyList<(string Name, int R, int G, int B)> Colours { get; } =
    [
        ("red", 214, 64, 58), ("orange", 240, 148, 52), ("yellow", 244, 214, 82), ("green", 86, 168, 84), ("blue", 70, 118, 208),
        ("purple", 140, 86, 178), ("pink", 240, 150, 184), ("brown", 134, 92, 62), ("grey", 150, 152, 156), ("white", 246, 246, 244),
        ("black", 34, 34, 38),
    ];

    public string Background => $"a {Pattern.ToString().ToLowerInvariant()} {Colours[Colour].Name} background";

    string Where => Place switch
    {
        EmojiPlace.Left => "on the left",
        EmojiPlace.Right => "on the right",
        EmojiPlace.Top => "at the top",
        EmojiPlace.Bottom => "at the bottom",
        _ => "in the middle",
    };

    /// <summary>"a red apple on a plain blue background, on the left".</summary>
    public string Caption(string thing) => $"a {thing.Replace('-', ' ')} on {Background}, {Where}";

    public static EmojiLook Draw(SplitMix random)
    {
        var place = (EmojiPlace)random.Below(5);
        (double dx, double dy) = place switch
        {
            EmojiPlace.Left => (-1.0, 0.0),
            EmojiPlace.Right => (1, 0),
            EmojiPlace.Top => (0, -1),
            EmojiPlace.Bottom => (0, 1),
            _ => (0, 0),
        };
        double size = LeastSize + (MostSize - LeastSize) * random.Uniform();
        double x = Math.Clamp(dx + Jitter(), -1, 1) * (1 - size) / 2 + 0.5;
        double y = Math.Clamp(dy + Jitter(), -1, 1) * (1 - size) / 2 + 0.5;
        Span<float> shade = stackalloc float[3];
        random.Normal(shade);
        return new EmojiLook(
            random.Below(Colours.Count),
            (EmojiPattern)random.Weighted(patternWeights),
            place,
            x,
            y,
            size,
            (2 * random.Uniform() - 1) * MostTurn,
            random.Uniform() < 0.5,
            0.19 + 0.13 * random.Uniform(),
            random.Uniform(),
            random.Below(3),
            (ShadeDeviation * shade[0], ShadeDeviation * shade[1], ShadeDeviation * shade[2]));

        double Jitter() => (2 * random.Uniform() - 1) * 0.25;
    }
}
