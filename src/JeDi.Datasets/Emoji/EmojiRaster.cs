using SkiaSharp;
using Svg.Skia;

namespace JeDi.Datasets.Emoji;

/// <summary>Draws an SVG file as a square picture with transparency, and looks whether there is something to see.</summary>
static class EmojiRaster
{
    /// <summary>Pixels of a side: more than a drawing takes in a set.</summary>
    public const int Side = 160;

    const double LeastCover = 0.05;
    const byte Opaque = 128;

    /// <summary>As a PNG file; null where the drawing cannot be read or shows next to nothing.</summary>
    public static byte[]? Draw(string svg)
    {
        using var drawing = new SKSvg();
        SKPicture? picture;
        try
        {
            picture = drawing.FromSvg(svg);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // The library throws what its parts throw: this drawing is not for it.
            return null;
        }

        if (picture is null || picture.CullRect.Width <= 0 || picture.CullRect.Height <= 0)
        {
            return null;
        }

        using var bitmap = new SKBitmap(new SKImageInfo(Side, Side, SKColorType.Rgba8888, SKAlphaType.Premul));
        using (var canvas = new SKCanvas(bitmap))
        {
            canvas.Clear(SKColors.Transparent);
            float scale = Side / Math.Max(picture.CullRect.Width, picture.CullRect.Height);
            canvas.Scale(scale);
            canvas.Translate(-picture.CullRect.Left, -picture.CullRect.Top);
            canvas.DrawPicture(picture);
        }

        ReadOnlySpan<byte> pixels = bitmap.GetPixelSpan();
        int covered = 0;
        for (int i = 3; i < pixels.Length; i += 4)
        {
            covered += pixels[i] > Opaque ? 1 : 0;
        }

        if (covered < LeastCover * Side * Side)
        {
            return null;
        }

        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }
}
