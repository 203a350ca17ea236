using JeDi.Files.Images;

namespace JeDi.Evaluation.Drawings;

/// <summary>How far a picture's subject is another picture, merely moved.</summary>
public static class ShiftCorrelation
{
    const int Side = 64;
    const double LeastInside = 0.75;

    /// <summary>
    /// The largest normalised cross-correlation over all shifts, of the subject's pixels in <paramref name="a"/> with those that they
    /// fall on in <paramref name="b"/>: sum (a - mean a)(b - mean b) over the root of the product of both sums of squares, the three
    /// channels together, each with its own means. At 64 x 64 pixels; three quarters of the subject stay inside.
    /// </summary>
    /// <param name="a">Square picture.</param>
    /// <param name="foreground">Its subject [H, W].</param>
    /// <param name="b">Square picture.</param>
    /// <returns>At most 1, which a copy has; 0 without a subject.</returns>
    public static double Largest(PixelImage a, float[] foreground, PixelImage b)
    {
        float[] first = Reduced(a);
        float[] second = Reduced(b);
        int[] subject = [.. Enumerable.Range(0, Side * Side).Where(i => foreground[Nearest(i, a)] > 0.5f)];
        var rows = new double[2 * Side];
        Parallel.For(0, rows.Length, row =>
        {
            for (int dx = -Side; dx < Side; dx++)
            {
                rows[row] = Math.Max(rows[row], Correlation(first, subject, second, dx, row - Side));
            }
        });
        return rows.Max();
    }

    static int Nearest(int i, PixelImage picture)
    {
        (int x, int y) = (i % Side * picture.Width / Side, i / Side * picture.Height / Side);
        return y * picture.Width + x;
    }

    /// <summary>[Side, Side, 3]: the mean of the pixels under each.</summary>
    static float[] Reduced(PixelImage picture)
    {
        var sums = new float[3 * Side * Side];
        var counts = new int[Side * Side];
        for (int i = 0; i < picture.Width * picture.Height; i++)
        {
            int to = i / picture.Width * Side / picture.Height * Side + i % picture.Width * Side / picture.Width;
            counts[to]++;
            for (int c = 0; c < 3; c++)
            {
                sums[3 * to + c] += picture.Rgb[3 * i + c];
            }
        }

        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] /= Math.Max(1, counts[i / 3]);
        }

        return sums;
    }

    static double Correlation(float[] a, int[] subject, float[] b, int dx, int dy)
    {
        int inside = 0;
        foreach (int i in subject)
        {
            inside += (uint)(i % Side + dx) < Side && (uint)(i / Side + dy) < Side ? 1 : 0;
        }

        if (inside == 0 || inside < LeastInside * subject.Length)
        {
            return 0;
        }

        Span<double> sums = stackalloc double[15];
        sums.Clear();
        foreach (int i in subject)
        {
            (int x, int y) = (i % Side + dx, i / Side + dy);
            if ((uint)x >= Side || (uint)y >= Side)
            {
                continue;
            }

            int j = y * Side + x;
            for (int c = 0; c < 3; c++)
            {
                (double p, double q) = (a[3 * i + c], b[3 * j + c]);
                sums[5 * c] += p;
                sums[5 * c + 1] += q;
                sums[5 * c + 2] += p * p;
                sums[5 * c + 3] += q * q;
                sums[5 * c + 4] += p * q;
            }
        }

        (double aa, double bb, double ab) = (0, 0, 0);
        for (int c = 0; c < 15; c += 5)
        {
            aa += sums[c + 2] - sums[c] * sums[c] / inside;
            bb += sums[c + 3] - sums[c + 1] * sums[c + 1] / inside;
            ab += sums[c + 4] - sums[c] * sums[c + 1] / inside;
        }

        return aa > 0 && bb > 0 ? ab / Math.Sqrt(aa * bb) : 0;
    }
}
