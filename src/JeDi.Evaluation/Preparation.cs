using JeDi.Files.Images;
using JeDi.Models;

namespace JeDi.Evaluation;

/// <summary>
/// What is done to a picture before an encoder sees it: the shorter side scaled to <paramref name="Resize"/> (Pillow's filter, to the bit),
/// a square of <paramref name="Crop"/> cut from the middle, and x = (value / 255 - mean) / deviation for each colour.
/// </summary>
/// <param name="Resize">Length of the shorter side.</param>
/// <param name="Crop">Side of the square that is left: the encoder's size.</param>
/// <param name="Filter">How it is scaled.</param>
/// <param name="Mean">Of R, G and B, 0 to 1.</param>
/// <param name="Deviation">Of R, G and B.</param>
public sealed record Preparation(int Resize, int Crop, Filter Filter, float[] Mean, float[] Deviation)
{
    /// <summary>As CLIP was trained.</summary>
    public static Preparation Clip(int size) =>
        new(size, size, Filter.Bicubic, [0.48145466f, 0.4578275f, 0.40821073f], [0.26862954f, 0.26130258f, 0.27577711f]);

    /// <summary>As DINO is evaluated: 256 of which 224 are kept, ImageNet's colours.</summary>
    public static Preparation Dino(int size) =>
        new(size * 8 / 7, size, Filter.Bicubic, [0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]);

    /// <summary>
    /// What a <c>preprocessor_config.json</c> of transformers says; what it leaves out is as in <paramref name="otherwise"/>.
    /// </summary>
    /// <exception cref="CheckpointException">A value is wrong or not supported.</exception>
    public static Preparation Read(ConfigReader json, Preparation otherwise)
    {
        json.Only("do_normalize", "true");
        json.Only("do_rescale", "true");
        bool crops = json.Bool("do_center_crop", json.Has("crop_size"));
        Preparation read = otherwise with
        {
            Mean = Colours(json, "image_mean", otherwise.Mean),
            Deviation = Colours(json, "image_std", otherwise.Deviation),
            Filter = !json.Has("resample") ? otherwise.Filter : json.Int("resample", 0, 5) switch
            {
                1 => Filter.Lanczos,
                2 => Filter.Bilinear,
                3 => Filter.Bicubic,
                int other => throw json.Wrong("resample", $"is {other}; 1 (Lanczos), 2 (bilinear) and 3 (bicubic) are supported"),
            },
        };
        return json.Has("size") ? read with { Resize = Side(json, "size", crops) } : read;
    }

    /// <summary>[Crop, Crop, 3]; where a mask is given, what it does not show is black first.</summary>
    public float[] Run(PixelImage picture, PixelImage? mask = null)
    {
        PixelImage seen = mask is null ? picture : Masked(picture, mask);
        (int width, int height) = seen.Width <= seen.Height
            ? (Resize, Math.Max(Resize, (int)((long)Resize * seen.Height / seen.Width)))
            : (Math.Max(Resize, (int)((long)Resize * seen.Width / seen.Height)), Resize);
        int left = (int)Math.Round((width - Crop) / 2.0);
        int top = (int)Math.Round((height - Crop) / 2.0);
        PixelImage square = seen.ResizePart(width, height, Filter, left, top, Crop, Crop);
        var values = new float[square.Rgb.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (square.Rgb[i] / 255f - Mean[i % 3]) / Deviation[i % 3];
        }

        return values;
    }

    static PixelImage Masked(PixelImage picture, PixelImage mask)
    {
        float[] share = mask.Resize(picture.Width, picture.Height, Filter.Bilinear).ToMask();
        var rgb = new byte[picture.Rgb.Length];
        for (int i = 0; i < rgb.Length; i++)
        {
            rgb[i] = (byte)MathF.Round(picture.Rgb[i] * share[i / 3]);
        }

        return new PixelImage(picture.Width, picture.Height, rgb);
    }

    static float[] Colours(ConfigReader json, string name, float[] otherwise)
    {
        if (!json.Has(name))
        {
            return otherwise;
        }

        float[] values = [.. json.Numbers(name)];
        return values.Length == 3 ? values : throw json.Wrong(name, $"has {values.Length} values; one for each of R, G and B is wanted");
    }

    /// <summary>A number, <c>{"shortest_edge": n}</c>, or a square's <c>{"height": n, "width": n}</c>.</summary>
    static int Side(ConfigReader json, string name, bool crops)
    {
        const int Largest = 4096;
        if (json.Object(name) is not ConfigReader size)
        {
            return json.Int(name, 1, Largest);
        }

        if (size.Has("shortest_edge"))
        {
            return size.Int("shortest_edge", 1, Largest);
        }

        int height = size.Int("height", 1, Largest);
        int width = size.Int("width", 1, Largest);
        return height == width || crops
            ? Math.Min(height, width)
            : throw json.Wrong(name, $"is {width} x {height}; encoders see squares");
    }
}
