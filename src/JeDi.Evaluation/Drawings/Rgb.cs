using JeDi.Files.Images;

namespace JeDi.Evaluation.Drawings;

/// <summary>A colour, 0 to 255 in each channel.</summary>
readonly record struct Rgb(double R, double G, double B)
{
    public static Rgb operator +(Rgb a, Rgb b) => new(a.R + b.R, a.G + b.G, a.B + b.B);

    public static Rgb operator -(Rgb a, Rgb b) => new(a.R - b.R, a.G - b.G, a.B - b.B);

    public static Rgb operator *(double factor, Rgb a) => new(factor * a.R, factor * a.G, factor * a.B);

    public static Rgb At(PixelImage picture, int pixel) =>
        new(picture.Rgb[3 * pixel], picture.Rgb[3 * pixel + 1], picture.Rgb[3 * pixel + 2]);

    public double DistanceTo(Rgb other) => Math.Sqrt(Dot(this - other, this - other));

    /// <summary>To the nearest colour on the way from <paramref name="a"/> to <paramref name="b"/>.</summary>
    public double DistanceTo(Rgb a, Rgb b)
    {
        double length = Dot(b - a, b - a);
        double along = length > 0 ? Math.Clamp(Dot(this - a, b - a) / length, 0, 1) : 0;
        return DistanceTo(a + along * (b - a));
    }

    static double Dot(Rgb a, Rgb b) => a.R * b.R + a.G * b.G + a.B * b.B;
}
