namespace JeDi.Files.Images;

/// <summary>An opaque picture: 8-bit R, G, B, row by row from the top.</summary>
public sealed class PixelImage
{
    /// <summary>A picture of these bytes [Height, Width, 3], which are not copied.</summary>
    /// <exception cref="ArgumentException">So many bytes are no picture of this size.</exception>
    public PixelImage(int width, int height, byte[] rgb)
    {
        if (width < 1 || height < 1 || rgb.LongLength != 3L * width * height)
        {
            throw new ArgumentException($"{rgb.LongLength} bytes are no {width} x {height} RGB picture");
        }

        Width = width;
        Height = height;
        Rgb = rgb;
    }

    /// <summary>Pixels of a row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>[Height, Width, 3].</summary>
    public byte[] Rgb { get; }

    /// <summary>The same, to read.</summary>
    public ReadOnlySpan<byte> Pixels => Rgb;

    /// <summary>From R, G, B and alpha, row by row, laid on white.</summary>
    /// <exception cref="ArgumentException">So many bytes are no picture of this size.</exception>
    public static PixelImage FromRgba(int width, int height, ReadOnlySpan<byte> rgba)
    {
        if (width < 1 || height < 1 || rgba.Length != 4L * width * height)
        {
            throw new ArgumentException($"{rgba.Length} bytes are no {width} x {height} RGBA picture", nameof(rgba));
        }

        var rgb = new byte[3 * width * height];
        for (int i = 0; i < rgb.Length; i++)
        {
            int alpha = rgba[i / 3 * 4 + 3];
            rgb[i] = (byte)((rgba[i / 3 * 4 + i % 3] * alpha + 255 * (255 - alpha) + 127) / 255);
        }

        return new PixelImage(width, height, rgb);
    }

    /// <summary>From R, G, B, row by row, which are copied.</summary>
    /// <exception cref="ArgumentException">So many bytes are no picture of this size.</exception>
    public static PixelImage FromRgb(int width, int height, ReadOnlySpan<byte> rgb) => new(width, height, rgb.ToArray());

    /// <summary>R, G, B and alpha (255), row by row, into <paramref name="rgba"/> [Height, Width, 4].</summary>
    /// <exception cref="ArgumentException">It is too short.</exception>
    public void CopyToRgba(Span<byte> rgba)
    {
        if (rgba.Length < 4L * Width * Height)
        {
            throw new ArgumentException($"{rgba.Length} bytes do not hold {Width} x {Height} pixels in RGBA", nameof(rgba));
        }

        for (int i = 0; i < Rgb.Length; i += 3)
        {
            Rgb.AsSpan(i, 3).CopyTo(rgba[(i / 3 * 4)..]);
            rgba[i / 3 * 4 + 3] = 255;
        }
    }

    /// <summary>[H, W, 3] in [-1, 1]: x / 127.5 - 1.</summary>
    public float[] ToFloats()
    {
        var values = new float[Rgb.Length];
        ToFloats(values);
        return values;
    }

    /// <summary>The same into <paramref name="values"/> [H, W, 3].</summary>
    public void ToFloats(Span<float> values)
    {
        for (int i = 0; i < Rgb.Length; i++)
        {
            values[i] = Rgb[i] / 127.5f - 1;
        }
    }

    /// <summary>From [H, W, 3]: clamped to [-1, 1], round(127.5 x + 127.5), halves to even; NaN becomes black.</summary>
    public static PixelImage FromFloats(int width, int height, ReadOnlySpan<float> values)
    {
        var rgb = new byte[values.Length];
        for (int i = 0; i < rgb.Length; i++)
        {
            rgb[i] = (byte)MathF.Round(Math.Clamp(values[i], -1, 1) * 127.5f + 127.5f);
        }

        return new PixelImage(width, height, rgb);
    }

    /// <summary>Share of white of each pixel [H, W], 0 to 1: the luminance (ITU-R 601) over 255.</summary>
    public float[] ToMask()
    {
        var mask = new float[Width * Height];
        for (int i = 0; i < mask.Length; i++)
        {
            int luminance = (Rgb[3 * i] * 19595 + Rgb[3 * i + 1] * 38470 + Rgb[3 * i + 2] * 7471 + 0x8000) >> 16;
            mask[i] = luminance / 255f;
        }

        return mask;
    }

    /// <summary>Mean of <see cref="ToMask"/> over squares of <paramref name="cell"/> pixels [H / cell, W / cell].</summary>
    public float[] ToCells(int cell)
    {
        float[] mask = ToMask();
        int columns = Width / cell;
        var cells = new float[Height / cell * columns];
        for (int i = 0; i < cells.Length; i++)
        {
            float sum = 0;
            for (int p = 0; p < cell * cell; p++)
            {
                sum += mask[(i / columns * cell + p / cell) * Width + i % columns * cell + p % cell];
            }

            cells[i] = sum / (cell * cell);
        }

        return cells;
    }

    /// <summary>The rectangle of this size whose upper left corner is (left, top).</summary>
    public PixelImage Crop(int left, int top, int width, int height)
    {
        var rgb = new byte[3 * width * height];
        for (int y = 0; y < height; y++)
        {
            Rgb.AsSpan(3 * ((top + y) * Width + left), 3 * width).CopyTo(rgb.AsSpan(3 * y * width));
        }

        return new PixelImage(width, height, rgb);
    }

    /// <summary>Copies <paramref name="other"/> into this picture with its upper left corner at (left, top).</summary>
    public void Paste(PixelImage other, int left, int top)
    {
        for (int y = 0; y < other.Height; y++)
        {
            other.Rgb.AsSpan(3 * y * other.Width, 3 * other.Width).CopyTo(Rgb.AsSpan(3 * ((top + y) * Width + left)));
        }
    }

    /// <summary>This picture with <paramref name="other"/>, of the same size, over it where <paramref name="mask"/> is white.</summary>
    public PixelImage Overlay(PixelImage other, PixelImage mask)
    {
        float[] share = mask.ToMask();
        var rgb = new byte[Rgb.Length];
        for (int i = 0; i < rgb.Length; i++)
        {
            rgb[i] = (byte)MathF.Round(Rgb[i] + share[i / 3] * (other.Rgb[i] - Rgb[i]));
        }

        return new PixelImage(Width, Height, rgb);
    }

    /// <summary>Pictures of one size side by side, as nearly square as their number allows, on white.</summary>
    public static PixelImage Grid(IReadOnlyList<PixelImage> images)
    {
        int columns = (int)Math.Ceiling(Math.Sqrt(images.Count));
        int rows = (images.Count + columns - 1) / columns;
        int width = images.Max(image => image.Width);
        int height = images.Max(image => image.Height);
        var grid = new PixelImage(columns * width, rows * height, new byte[3 * columns * width * rows * height]);
        grid.Rgb.AsSpan().Fill(255);
        for (int i = 0; i < images.Count; i++)
        {
            grid.Paste(images[i], i % columns * width, i / columns * height);
        }

        return grid;
    }
}
