using JeDi.Files.Images;
using JeDi.Training;

namespace JeDi.Tests.Training;

/// <summary>Sets on disk: discs of one colour on grounds of others.</summary>
static class SetFolder
{
    public const int Size = 32;

    static readonly (string Name, byte R, byte G, byte B)[] colours =
        [("red", 220, 40, 40), ("blue", 40, 60, 220), ("green", 40, 180, 60), ("yellow", 230, 210, 40)];

    /// <summary>Sets of 1, 2, 3, 1, .. images.</summary>
    public static string Make(string folder, int sets = 6)
    {
        Directory.CreateDirectory(folder);
        for (int set = 0; set < sets; set++)
        {
            Write(folder, $"{set:00}", set % 3 + 1, set);
        }

        return folder;
    }

    public static void Write(string folder, string name, int images, int seed)
    {
        var stack = new PixelImage(Size, images * Size, new byte[3 * Size * images * Size]);
        var captions = new List<string>();
        for (int image = 0; image < images; image++)
        {
            (string disc, byte dr, byte dg, byte db) = colours[seed % 4];
            (string ground, byte gr, byte gg, byte gb) = colours[(seed + image + 1) % 4];
            captions.Add($"a {disc} disc on {ground}");
            for (int i = 0; i < Size * Size; i++)
            {
                (int x, int y) = (i % Size - 10 - 4 * image, i / Size - 12 - seed);
                (byte r, byte g, byte b) = x * x + y * y < 64 ? (dr, dg, db) : (gr, gg, gb);
                int at = 3 * (image * Size * Size + i);
                (stack.Rgb[at], stack.Rgb[at + 1], stack.Rgb[at + 2]) = (r, g, b);
            }
        }

        PngWriter.Write(Path.Combine(folder, $"{name}.png"), stack);
        File.WriteAllText(Path.Combine(folder, $"{name}.txt"), string.Join("<|split|>", captions));
    }

    /// <summary>A run of moments: a U-Net and a text encoder from scratch.</summary>
    public static TrainingOptions Options(string data, string output) => new()
    {
        Data = [data],
        Out = output,
        Preset = "tiny",
        Train = ["unet", "text"],
        Size = 64,
        Images = 3,
        SetSizes = [1, 2, 3],
        Steps = 6,
        Rate = 1e-3,
        WarmUp = 2,
        Seed = 5,
    };
}
