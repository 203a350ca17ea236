using JeDi.Datasets.Emoji;
using JeDi.Files.Images;

namespace JeDi.Evaluation.Drawings;

/// <summary>
/// What a picture of a drawing stands on, and which pixels are not of it: rules on pixels, without a network. The colour is that of
/// <see cref="EmojiLook.Colours"/> whose two tones explain most of the picture, the rim above all; the pattern follows from how
/// the two tones lie.
/// </summary>
public sealed class Backdrop
{
    /// <summary>Farthest that a pixel lies from a tone that it counts for: Euclid's distance, channels 0 to 255.</summary>
    const double Near = 48;

    /// <summary>Least distance from the background's tones, and all that lies between them, of a pixel of the subject.</summary>
    const double Apart = 42;

    const double RimShare = 0.12;
    const double InnerWeight = 0.25;

    // Shares of the second tone: none on a plain ground, a quarter (0.25 = pi 0.28^2) in dots, a half in stripes and checks.
    const double PlainShare = 0.12;
    const double DottedShare = 0.36;

    // Along stripes all pixels are alike (1); the best direction of a checked ground, its diagonal, has 1 / 3 in the mean.
    const double StripedCorrelation = 0.66;
    const int LeastStep = 4;
    const int MostStep = 28;

    // A part of the subject that is not connected with the largest counts from this share of it.
    const double LeastPart = 0.1;

    static readonly (int X, int Y)[] directions = [(1, 0), (0, 1), (1, 1), (1, -1)];

    Backdrop(int colour, EmojiPattern pattern, float[] foreground)
    {
        Colour = colour;
        Pattern = pattern;
        Foreground = foreground;
    }

    /// <summary>Entry of <see cref="EmojiLook.Colours"/>.</summary>
    public int Colour { get; }

    public EmojiPattern Pattern { get; }

    /// <summary>1 where the subject is, otherwise 0 [H, W].</summary>
    public float[] Foreground { get; }

    /// <summary>Looks at a picture.</summary>
    public static Backdrop Of(PixelImage picture)
    {
        int colour = Enumerable.Range(0, EmojiLook.Colours.Count).MaxBy(c => Support(picture, Tones(c)));
        (Rgb first, Rgb second) = Refined(picture, Tones(colour));
        var tone = new sbyte[picture.Width * picture.Height];
        int[] count = new int[2];
        for (int i = 0; i < tone.Length; i++)
        {
            Rgb pixel = Rgb.At(picture, i);
            (double a, double b) = (pixel.DistanceTo(first), pixel.DistanceTo(second));
            if (Math.Min(a, b) < Apart)
            {
                tone[i] = (sbyte)(a <= b ? 1 : -1);
                count[a <= b ? 0 : 1]++;
            }
        }

        EmojiPattern pattern = PatternOf(tone, picture.Width, picture.Height, (double)count[1] / Math.Max(1, count[0] + count[1]));
        return new Backdrop(colour, pattern, ForegroundOf(picture, first, pattern == EmojiPattern.Plain ? first : second));
    }

    /// <summary>Whether colour and pattern are those of a look.</summary>
    public bool Is(EmojiLook look) => Colour == look.Colour && Pattern == look.Pattern;

    static (Rgb First, Rgb Second) Tones(int colour)
    {
        (_, int r, int g, int b) = EmojiLook.Colours[colour];
        (double R, double G, double B) other = EmojiPainter.SecondTone((r, g, b));
        return (new Rgb(r, g, b), new Rgb(other.R, other.G, other.B));
    }

    static double Support(PixelImage picture, (Rgb First, Rgb Second) tones)
    {
        double sum = 0;
        for (int i = 0; i < picture.Width * picture.Height; i++)
        {
            Rgb pixel = Rgb.At(picture, i);
            double distance = Math.Min(pixel.DistanceTo(tones.First), pixel.DistanceTo(tones.Second));
            sum += Math.Max(0, 1 - distance / Near) * (OnRim(picture, i) ? 1 : InnerWeight);
        }

        return sum;
    }

    static bool OnRim(PixelImage picture, int i)
    {
        (int x, int y) = (i % picture.Width, i / picture.Width);
        double rim = RimShare * Math.Min(picture.Width, picture.Height);
        return Math.Min(Math.Min(x, picture.Width - 1 - x), Math.Min(y, picture.Height - 1 - y)) < rim;
    }

    /// <summary>The tones as this picture has them: the means of what is near them, twice.</summary>
    static (Rgb First, Rgb Second) Refined(PixelImage picture, (Rgb First, Rgb Second) tones)
    {
        const int Rounds = 2;
        for (int round = 0; round < Rounds; round++)
        {
            (Rgb First, Rgb Second) sums = default;
            (double First, double Second) counts = default;
            for (int i = 0; i < picture.Width * picture.Height; i++)
            {
                Rgb pixel = Rgb.At(picture, i);
                (double a, double b) = (pixel.DistanceTo(tones.First), pixel.DistanceTo(tones.Second));
                double weight = Math.Min(a, b) < Near ? OnRim(picture, i) ? 1 : InnerWeight : 0;
                if (a <= b)
                {
                    sums.First += weight * pixel;
                    counts.First += weight;
                }
                else
                {
                    sums.Second += weight * pixel;
                    counts.Second += weight;
                }
            }

            tones = (counts.First > 0 ? 1 / counts.First * sums.First : tones.First,
                counts.Second > 0 ? 1 / counts.Second * sums.Second : tones.Second);
        }

        return tones;
    }

    static EmojiPattern PatternOf(sbyte[] tone, int width, int height, double second)
    {
        double share = Math.Min(second, 1 - second);
        return share < PlainShare ? EmojiPattern.Plain
            : share < DottedShare ? EmojiPattern.Dotted
            : directions.Max(d => Correlation(tone, width, height, d)) > StripedCorrelation ? EmojiPattern.Striped
            : EmojiPattern.Checked;
    }

    /// <summary>Mean product of the tones (1 and -1, their mean taken away) of pixels that lie so apart in a direction.</summary>
    static double Correlation(sbyte[] tone, int width, int height, (int X, int Y) direction)
    {
        double mean = tone.Sum(t => (double)t) / Math.Max(1, tone.Count(t => t != 0));
        (double product, double square) = (0, 0);
        for (int step = LeastStep; step <= MostStep; step += 2)
        {
            for (int i = 0; i < tone.Length; i++)
            {
                (int x, int y) = (i % width + step * direction.X, i / width + step * direction.Y);
                if (tone[i] != 0 && x >= 0 && x < width && y >= 0 && y < height && tone[y * width + x] != 0)
                {
                    (double a, double b) = (tone[i] - mean, tone[y * width + x] - mean);
                    product += a * b;
                    square += (a * a + b * b) / 2;
                }
            }
        }

        return square > 0 ? product / square : 0;
    }

    /// <summary>What is unlike the background, with what it encloses, without specks.</summary>
    static float[] ForegroundOf(PixelImage picture, Rgb first, Rgb second)
    {
        var unlike = new bool[picture.Width * picture.Height];
        for (int i = 0; i < unlike.Length; i++)
        {
            unlike[i] = Rgb.At(picture, i).DistanceTo(first, second) > Apart;
        }

        // Enclosed: no way from the rim over pixels of the background.
        bool[] outside = Regions.FromRim(unlike, picture.Width, picture.Height);
        List<List<int>> parts = Regions.Connected([.. outside.Select(o => !o)], picture.Width, picture.Height);
        int largest = parts.Count == 0 ? 0 : parts.Max(part => part.Count);
        var foreground = new float[unlike.Length];
        foreach (int i in parts.Where(part => part.Count >= LeastPart * largest).SelectMany(part => part))
        {
            foreground[i] = 1;
        }

        return foreground;
    }
}
