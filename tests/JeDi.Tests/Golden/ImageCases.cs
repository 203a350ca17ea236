using JeDi.Files;
using JeDi.Files.Images;

namespace JeDi.Tests.Golden;

/// <summary>Pillow's resizing and CLIP's resize and crop, byte for byte.</summary>
static class ImageCases
{
    const int ClipSize = 224;

    public static void Run(GoldenCase c)
    {
        int width = c.Int("width");
        int height = c.Int("height");
        PixelImage image = Picture(c.File.RecipePrefix + c.Tag, width, height);
        if (c.Has($"{c.Tag}/source"))
        {
            Expect(c, "source", image);
        }

        Expect(c, "bicubic", image.Resize(64, 64, Filter.Bicubic));
        Expect(c, "lanczos", image.Resize(64, 64, Filter.Lanczos));
        Expect(c, "bilinear", image.Resize(32, 40, Filter.Bilinear));
        int[] size = [.. c.Json.GetProperty("clip_resized").EnumerateArray().Select(n => n.GetInt32())];
        int[] corner = [.. c.Json.GetProperty("clip_crop_left_top").EnumerateArray().Select(n => n.GetInt32())];
        Expect(c, "clip", image.Resize(size[0], size[1], Filter.Bicubic).Crop(corner[0], corner[1], ClipSize, ClipSize));
    }

    static void Expect(GoldenCase c, string what, PixelImage image) =>
        c.Expect($"{c.Tag}/{what}", Array.ConvertAll(image.Rgb, value => (float)value), 0);

    /// <summary>picture() of the generator: a colour field with edges and noise.</summary>
    static PixelImage Picture(string name, int width, int height)
    {
        ulong hash = Recipe.Hash(name);
        var rgb = new byte[3 * width * height];
        for (int i = 0; i < rgb.Length; i++)
        {
            int x = i / 3 % width;
            int y = i / 3 / width;
            double field = (i % 3) switch
            {
                0 => (x * 5 + y * 2) % 256,
                1 => y * 3 % 256,
                _ => (x / 8 + y / 8) % 2 * 200 + 20,
            };
            rgb[i] = (byte)Math.Clamp(Math.Floor(field + 24 * Recipe.Value(hash, i) + 0.5), 0, 255);
        }

        return new PixelImage(width, height, rgb);
    }
}
