using JeDi.Files.Images;

namespace JeDi.Cli.Output;

/// <summary>
/// The correspondence figure of the paper: every location of the photos gets a colour of its own (a colour wheel by position, darker
/// for each further photo), and every location of the picture is painted with the colour of the photo location that it attends to
/// most. Above: each photo, then the picture; below: their colours.
/// </summary>
public static class AttentionPicture
{
    /// <summary>Share of colour in a painted picture; the rest is its grey values.</summary>
    const double Tint = 0.7;

    /// <param name="photos">The references, of the picture's size.</param>
    /// <param name="picture">The target.</param>
    /// <param name="looks">Where it looked.</param>
    public static PixelImage Of(IReadOnlyList<PixelImage> photos, PixelImage picture, Correspondence looks)
    {
        (int width, int height) = (picture.Width, picture.Height);
        int columns = photos.Count + 1;
        var map = new PixelImage(columns * width, 2 * height, new byte[3 * columns * width * 2 * height]);
        foreach ((int index, PixelImage photo) in photos.Index())
        {
            map.Paste(photo, index * width, 0);
            map.Paste(Paint(photo, looks, location => Colour(looks, index, location, photos.Count)), index * width, height);
        }

        map.Paste(picture, photos.Count * width, 0);
        (double, double, double) Seen(int location) => Colour(looks, looks.Reference[location], looks.Location[location], photos.Count);
        map.Paste(Paint(picture, looks, Seen), photos.Count * width, height);
        return map;
    }

    /// <summary>Colour of a photo's location: hue by the angle around the centre, saturation by the distance from it.</summary>
    internal static (double Red, double Green, double Blue) Colour(Correspondence grid, int photo, int location, int photos)
    {
        double x = (location % grid.Width + 0.5) / grid.Width * 2 - 1;
        double y = (location / grid.Width + 0.5) / grid.Height * 2 - 1;
        double hue = (Math.Atan2(y, x) / Math.PI + 1) * 3;
        double saturation = Math.Min(1, Math.Sqrt(x * x + y * y));
        double value = 1 - 0.6 * photo / Math.Max(1, photos);
        double Channel(double shift)
        {
            double k = (hue + shift) % 6;
            return value * (1 - saturation * Math.Clamp(Math.Min(k, 4 - k), 0, 1));
        }

        return (Channel(5), Channel(3), Channel(1));
    }

    static PixelImage Paint(PixelImage image, Correspondence grid, Func<int, (double Red, double Green, double Blue)> colour)
    {
        var pixels = new byte[image.Rgb.Length];
        for (int y = 0; y < image.Height; y++)
        {
            for (int x = 0; x < image.Width; x++)
            {
                int at = 3 * (y * image.Width + x);
                ReadOnlySpan<byte> rgb = image.Rgb.AsSpan(at, 3);
                double grey = (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) * (1 - Tint);
                int location = y * grid.Height / image.Height * grid.Width + x * grid.Width / image.Width;
                (double red, double green, double blue) = colour(location);
                pixels[at] = (byte)(grey + 255 * Tint * red);
                pixels[at + 1] = (byte)(grey + 255 * Tint * green);
                pixels[at + 2] = (byte)(grey + 255 * Tint * blue);
            }
        }

        return new PixelImage(image.Width, image.Height, pixels);
    }
}
