namespace JeDi.Files.Images;

/// <summary>Brings a photo of any size to the size of the model.</summary>
public static class Fitting
{
    /// <summary>Scaled (bicubic) so that it covers the size, then cropped in the middle.</summary>
    public static PixelImage Cover(this PixelImage image, int width, int height)
    {
        (int w, int h) = (long)image.Width * height >= (long)image.Height * width
            ? (Math.Max(width, Scaled(image.Width, height, image.Height)), height)
            : (width, Math.Max(height, Scaled(image.Height, width, image.Width)));
        return image.ResizePart(w, h, Filter.Bicubic, (w - width) / 2, (h - height) / 2, width, height);
    }

    /// <summary>Scaled (bicubic) so that all of it is seen, on the mean colour of its edge pixels.</summary>
    public static PixelImage Pad(this PixelImage image, int width, int height) => Pad(image, width, height, EdgeColour(image));

    /// <summary>The same on black: what lies outside a photo is outside its mask.</summary>
    public static PixelImage PadMask(this PixelImage image, int width, int height) => Pad(image, width, height, (0, 0, 0));

    static PixelImage Pad(PixelImage image, int width, int height, (byte R, byte G, byte B) colour)
    {
        (int w, int h) = (long)image.Width * height >= (long)image.Height * width
            ? (width, Math.Clamp(Scaled(image.Height, width, image.Width), 1, height))
            : (Math.Clamp(Scaled(image.Width, height, image.Height), 1, width), height);
        var result = new PixelImage(width, height, new byte[3 * width * height]);
        for (int i = 0; i < result.Rgb.Length; i += 3)
        {
            (result.Rgb[i], result.Rgb[i + 1], result.Rgb[i + 2]) = colour;
        }

        result.Paste(image.Resize(w, h, Filter.Bicubic), (width - w) / 2, (height - h) / 2);
        return result;
    }

    static int Scaled(int size, int to, int from) => (int)Math.Round((double)size * to / from);

    static (byte R, byte G, byte B) EdgeColour(PixelImage image)
    {
        Span<long> sums = stackalloc long[3];
        long count = 0;
        for (int y = 0; y < image.Height; y++)
        {
            bool whole = y == 0 || y == image.Height - 1;
            for (int x = 0; x < image.Width; x += whole ? 1 : Math.Max(1, image.Width - 1))
            {
                for (int c = 0; c < 3; c++)
                {
                    sums[c] += image.Rgb[3 * (y * image.Width + x) + c];
                }

                count++;
            }
        }

        return ((byte)((sums[0] + count / 2) / count), (byte)((sums[1] + count / 2) / count), (byte)((sums[2] + count / 2) / count));
    }
}
