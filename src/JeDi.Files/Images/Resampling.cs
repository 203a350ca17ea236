namespace JeDi.Files.Images;

/// <summary>Resampling filters by Pillow's names.</summary>
public enum Filter
{
    /// <summary>Triangle, two pixels wide.</summary>
    Bilinear,
    /// <summary>Keys' cubic with a = -0.5, four pixels wide.</summary>
    Bicubic,
    /// <summary>Windowed sinc, six pixels wide.</summary>
    Lanczos,
}

/// <summary>
/// Pillow's resizing, to the bit: a filter as wide as the reduction, in fixed point with 22 fractional bits (Pillow's
/// <c>Resample.c</c>), columns first and then rows, but the other way round where a tall picture gets lower. Reference
/// implementations prepare their pictures with it.
/// </summary>
public static class Resampling
{
    const int FractionBits = 32 - 8 - 2;

    /// <summary>The picture at another size.</summary>
    public static PixelImage Resize(this PixelImage image, int width, int height, Filter filter) =>
        width == image.Width && height == image.Height ? image : image.ResizePart(width, height, filter, 0, 0, width, height);

    /// <summary>
    /// The rectangle from (left, top) on of the picture at the size <paramref name="width"/> x <paramref name="height"/>, of which nothing
    /// else is computed: a long strip that has to cover a square would be beyond all memory.
    /// </summary>
    public static PixelImage ResizePart(
        this PixelImage image, int width, int height, Filter filter, int left, int top, int partWidth, int partHeight)
    {
        var columns = new Weights(image.Width, width, left, partWidth, filter);
        var rows = new Weights(image.Height, height, top, partHeight, filter);
        return image.Height > 2 * image.Width && height < image.Height
            ? Columns(Rows(image, rows, 0), columns, 0, partHeight)
            : Rows(Columns(image, columns, rows.Start, rows.End - rows.Start), rows, rows.Start);
    }

    /// <summary>Each of <paramref name="count"/> rows from <paramref name="start"/> on, resampled.</summary>
    static PixelImage Columns(PixelImage image, Weights weights, int start, int count)
    {
        var rgb = new byte[3 * weights.Count * count];
        for (int y = 0; y < count; y++)
        {
            ReadOnlySpan<byte> from = image.Rgb.AsSpan(3 * (start + y) * image.Width, 3 * image.Width);
            Span<byte> to = rgb.AsSpan(3 * y * weights.Count, 3 * weights.Count);
            for (int x = 0; x < weights.Count; x++)
            {
                int first = weights.At(x, out ReadOnlySpan<int> taps);
                int r = 1 << (FractionBits - 1);
                int g = r;
                int b = r;
                for (int i = 0; i < taps.Length; i++)
                {
                    int at = 3 * (first + i);
                    r += from[at] * taps[i];
                    g += from[at + 1] * taps[i];
                    b += from[at + 2] * taps[i];
                }

                to[3 * x] = Clip(r);
                to[3 * x + 1] = Clip(g);
                to[3 * x + 2] = Clip(b);
            }
        }

        return new PixelImage(weights.Count, count, rgb);
    }

    /// <summary>All columns resampled; the picture's first row is row <paramref name="start"/> of what the weights are for.</summary>
    static PixelImage Rows(PixelImage image, Weights weights, int start)
    {
        int row = 3 * image.Width;
        var rgb = new byte[row * weights.Count];
        var sums = new int[row];
        for (int y = 0; y < weights.Count; y++)
        {
            int first = weights.At(y, out ReadOnlySpan<int> taps) - start;
            sums.AsSpan().Fill(1 << (FractionBits - 1));
            for (int i = 0; i < taps.Length; i++)
            {
                ReadOnlySpan<byte> from = image.Rgb.AsSpan((first + i) * row, row);
                for (int x = 0; x < row; x++)
                {
                    sums[x] += from[x] * taps[i];
                }
            }

            for (int x = 0; x < row; x++)
            {
                rgb[y * row + x] = Clip(sums[x]);
            }
        }

        return new PixelImage(image.Width, weights.Count, rgb);
    }

    static byte Clip(int sum) => (byte)Math.Clamp(sum >> FractionBits, 0, 255);

    /// <summary>For each output position of a part the first input position and the fixed-point weights from there on.</summary>
    sealed class Weights
    {
        readonly int[] first;
        readonly int[] lengths;
        readonly int[] taps;
        readonly int most;

        public Weights(int inputs, int outputs, int start, int count, Filter filter)
        {
            double scale = (double)inputs / outputs;
            double filterScale = Math.Max(scale, 1);
            double support = Support(filter) * filterScale;
            most = (int)Math.Ceiling(support) * 2 + 1;
            Count = count;
            first = new int[count];
            lengths = new int[count];
            taps = new int[count * most];
            var w = new double[most];
            for (int i = 0; i < count; i++)
            {
                double centre = (start + i + 0.5) * scale;
                first[i] = Math.Max(0, (int)(centre - support + 0.5));
                lengths[i] = Math.Min(inputs, (int)(centre + support + 0.5)) - first[i];
                double sum = 0;
                for (int j = 0; j < lengths[i]; j++)
                {
                    w[j] = Value(filter, (j + first[i] - centre + 0.5) * (1 / filterScale));
                    sum += w[j];
                }

                for (int j = 0; j < lengths[i]; j++)
                {
                    double fixedPoint = (sum == 0 ? w[j] : w[j] / sum) * (1 << FractionBits);
                    taps[i * most + j] = (int)(fixedPoint + (fixedPoint < 0 ? -0.5 : 0.5));
                }
            }
        }

        public int Count { get; }

        /// <summary>First input position that is used.</summary>
        public int Start => first[0];

        /// <summary>One beyond the last input position that is used.</summary>
        public int End => first[^1] + lengths[^1];

        public int At(int position, out ReadOnlySpan<int> weights)
        {
            weights = taps.AsSpan(position * most, lengths[position]);
            return first[position];
        }

        static double Support(Filter filter) => filter switch
        {
            Filter.Bilinear => 1,
            Filter.Bicubic => 2,
            _ => 3,
        };

        static double Value(Filter filter, double x)
        {
            const double a = -0.5;
            double d = Math.Abs(x);
            return filter switch
            {
                Filter.Bilinear => d < 1 ? 1 - d : 0,
                Filter.Bicubic => d < 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0,
                _ => x is >= -3 and < 3 ? Sinc(x) * Sinc(x / 3) : 0,
            };
        }

        static double Sinc(double x) => x == 0 ? 1 : Math.Sin(x * Math.PI) / (x * Math.PI);
    }
}
