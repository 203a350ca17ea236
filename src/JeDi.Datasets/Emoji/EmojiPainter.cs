using JeDi.Files;
using JeDi.Files.Images;
using SkiaSharp;

namespace JeDi.Datasets.Emoji;

/// <summary>A picture and where its subject is.</summary>
/// <param name="Image">Subject on its background.</param>
/// <param name="Mask">Share of the subject in each pixel [H, W].</param>
public sealed record EmojiPicture(PixelImage Image, float[] Mask);

/// <summary>Paints a subject on a background.</summary>
public sealed class EmojiPainter(EmojiLibrary library)
{
    // YIQ and back: a turn in the plane of I and Q changes the hue and keeps the luminance.
    static readonly double[,] toYiq = { { 0.299, 0.587, 0.114 }, { 0.596, -0.274, -0.322 }, { 0.211, -0.523, 0.312 } };
    static readonly double[,] fromYiq = { { 1, 0.956, 0.621 }, { 1, -0.272, -0.647 }, { 1, -1.106, 1.703 } };

    /// <summary>The subject in so many pixels a side, one picture for each look.</summary>
    /// <exception cref="FileException">Its drawing cannot be read.</exception>
    public IReadOnlyList<EmojiPicture> Paint(EmojiSubject subject, IReadOnlyList<EmojiLook> looks, int side)
    {
        using SKImage drawing = Read(subject);
        return [.. looks.Select(look => Paint(drawing, look, side))];
    }

    /// <summary>The other tone of a patterned background of this colour: darker, or lighter than a dark one.</summary>
    public static (double R, double G, double B) SecondTone((double R, double G, double B) colour)
    {
        const double Dark = 90;
        return (colour.R + colour.G + colour.B) / 3 > Dark
            ? (0.8 * colour.R, 0.8 * colour.G, 0.8 * colour.B)
            : (colour.R + 40, colour.G + 40, colour.B + 40);
    }

    static EmojiPicture Paint(SKImage drawing, EmojiLook look, int side)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(side, side, SKColorType.Rgba8888, SKAlphaType.Premul));
        using (var canvas = new SKCanvas(bitmap))
        {
            canvas.Clear(SKColors.Transparent);
            canvas.Translate((float)(look.X * side), (float)(look.Y * side));
            canvas.RotateRadians((float)look.Turn);
            float scale = (float)(look.Size * side / drawing.Width);
            canvas.Scale(look.Mirrored ? -scale : scale, scale);
            float half = drawing.Width / 2f;
            canvas.DrawImage(drawing, -half, -half, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
        }

        ReadOnlySpan<byte> pixels = bitmap.GetPixelSpan();
        var rgb = new byte[3 * side * side];
        var mask = new float[side * side];
        for (int i = 0; i < mask.Length; i++)
        {
            (double r, double g, double b) = Background(look, (i % side + 0.5) / side, (i / side + 0.5) / side);
            double rest = 1 - pixels[4 * i + 3] / 255.0;
            mask[i] = pixels[4 * i + 3] / 255f;
            rgb[3 * i] = Byte(pixels[4 * i] + rest * r);
            rgb[3 * i + 1] = Byte(pixels[4 * i + 1] + rest * g);
            rgb[3 * i + 2] = Byte(pixels[4 * i + 2] + rest * b);
        }

        return new EmojiPicture(new PixelImage(side, side, rgb), mask);
    }

    static (double R, double G, double B) Background(EmojiLook look, double x, double y)
    {
        (_, int r, int g, int b) = EmojiLook.Colours[look.Colour];
        (double R, double G, double B) colour = (r + look.Shade.R, g + look.Shade.G, b + look.Shade.B);
        double u = x / look.Period + look.Phase;
        double v = y / look.Period + look.Phase;
        double along = look.Direction switch { 0 => u + v, 1 => u, _ => v };
        bool other = look.Pattern switch
        {
            EmojiPattern.Striped => Half(along) == 0,
            EmojiPattern.Checked => (Half(u) + Half(v)) % 2 == 0,
            EmojiPattern.Dotted => Square(Fraction(u) - 0.5) + Square(Fraction(v) - 0.5) < Square(0.28),
            _ => false,
        };
        return other ? SecondTone(colour) : colour;

        static double Fraction(double value) => value - Math.Floor(value);

        static int Half(double value) => Fraction(value) < 0.5 ? 0 : 1;

        static double Square(double value) => value * value;
    }

    SKImage Read(EmojiSubject subject)
    {
        string path = Path.Combine(library.Folder, subject.Entry.File);
        using SKBitmap? bitmap = File.Exists(path)
            ? SKBitmap.Decode(path, new SKImageInfo(EmojiRaster.Side, EmojiRaster.Side, SKColorType.Rgba8888, SKAlphaType.Premul))
            : null;
        if (bitmap is null)
        {
            throw new FileException(path, $"cannot be read; make it anew with: jedi-native dataset emoji --to {library.Folder}");
        }

        if (subject.Hue != 0 || subject.Saturation != 1)
        {
            Recolour(bitmap.GetPixelSpan(), subject);
        }

        return SKImage.FromBitmap(bitmap);
    }

    /// <summary>The matrix is linear and keeps the order of premultiplied values, but for clamping to the coverage.</summary>
    static void Recolour(Span<byte> pixels, EmojiSubject subject)
    {
        (double sine, double cosine) = Math.SinCos(subject.Hue);
        (sine, cosine) = (subject.Saturation * sine, subject.Saturation * cosine);
        double[,] turn = { { 1, 0, 0 }, { 0, cosine, -sine }, { 0, sine, cosine } };
        double[,] m = Product(fromYiq, Product(turn, toYiq));
        for (int i = 0; i < pixels.Length; i += 4)
        {
            (double r, double g, double b) = (pixels[i], pixels[i + 1], pixels[i + 2]);
            for (int c = 0; c < 3; c++)
            {
                pixels[i + c] = (byte)Math.Clamp(Math.Round(m[c, 0] * r + m[c, 1] * g + m[c, 2] * b), 0, pixels[i + 3]);
            }
        }
    }

    static double[,] Product(double[,] a, double[,] b)
    {
        var product = new double[3, 3];
        for (int i = 0; i < 3; i++)
        {
            for (int j = 0; j < 3; j++)
            {
                product[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j];
            }
        }

        return product;
    }

    static byte Byte(double value) => (byte)Math.Clamp(Math.Round(value), 0, 255);
}
