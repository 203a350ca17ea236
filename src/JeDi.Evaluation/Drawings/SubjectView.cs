using JeDi.Files.Images;

namespace JeDi.Evaluation.Drawings;

/// <summary>
/// A subject cut out, moved to the middle and brought to one size by its area, so that place and size do not count: in each of
/// <see cref="Cells"/> x <see cref="Cells"/> cells its cover, and its colour times the cover. Fixed features: nothing is learned.
/// </summary>
public sealed class SubjectView
{
    const int Cells = 24;
    const int Samples = 3;

    // A disc of the subject's area takes this share of the view's side; what sticks out farther than the view is cut off.
    const double DiscShare = 0.62;

    readonly float[] cover = new float[Cells * Cells];
    readonly float[] colour = new float[3 * Cells * Cells];
    readonly float[] grey = new float[Cells * Cells];

    /// <summary>Cuts a subject out.</summary>
    /// <param name="picture">It and its background.</param>
    /// <param name="mask">Share of the subject in each pixel [H, W].</param>
    /// <param name="turn">Radians that the subject is turned by, clockwise.</param>
    /// <param name="mirrored">Left and right are exchanged, before it is turned.</param>
    public SubjectView(PixelImage picture, float[] mask, double turn = 0, bool mirrored = false)
    {
        (double area, double x, double y) = (0, 0, 0);
        for (int i = 0; i < mask.Length; i++)
        {
            area += mask[i];
            x += mask[i] * (i % picture.Width + 0.5);
            y += mask[i] * (i / picture.Width + 0.5);
        }

        if (area <= 0)
        {
            return;
        }

        (x, y) = (x / area, y / area);
        double side = 2 * Math.Sqrt(area / Math.PI) / DiscShare;
        (double sine, double cosine) = Math.SinCos(-turn);
        for (int s = 0; s < Samples * Samples * Cells * Cells; s++)
        {
            (int column, int row) = (s % (Samples * Cells), s / (Samples * Cells));
            double u = ((column + 0.5) / (Samples * Cells) - 0.5) * side;
            double v = ((row + 0.5) / (Samples * Cells) - 0.5) * side;
            (u, v) = (cosine * u - sine * v, sine * u + cosine * v);
            int px = (int)Math.Floor(x + (mirrored ? -u : u));
            int py = (int)Math.Floor(y + v);
            if (px >= 0 && px < picture.Width && py >= 0 && py < picture.Height)
            {
                Add(row / Samples * Cells + column / Samples, picture, mask, py * picture.Width + px);
            }
        }

        MakeGrey();
    }

    /// <summary>How unlike two subjects are, by form and colour: mean squared difference over the cells, 0 for equal ones.</summary>
    public double DistanceTo(SubjectView other) => Squares(cover, other.cover) + Squares(colour, other.colour);

    /// <summary>The same by form and light and shade alone.</summary>
    public double GreyDistanceTo(SubjectView other) => Squares(cover, other.cover) + Squares(grey, other.grey);

    void Add(int cell, PixelImage picture, float[] mask, int pixel)
    {
        const float Part = 1f / (Samples * Samples);
        cover[cell] += Part * mask[pixel];
        for (int c = 0; c < 3; c++)
        {
            colour[3 * cell + c] += Part * mask[pixel] * (picture.Rgb[3 * pixel + c] / 127.5f - 1);
        }
    }

    /// <summary>Luminance times the cover, its mean over the subject taken away.</summary>
    void MakeGrey()
    {
        for (int i = 0; i < grey.Length; i++)
        {
            grey[i] = 0.299f * colour[3 * i] + 0.587f * colour[3 * i + 1] + 0.114f * colour[3 * i + 2];
        }

        float mean = grey.Sum() / Math.Max(cover.Sum(), 1e-6f);
        for (int i = 0; i < grey.Length; i++)
        {
            grey[i] -= mean * cover[i];
        }
    }

    static double Squares(float[] a, float[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double difference = a[i] - b[i];
            sum += difference * difference;
        }

        return sum / (Cells * Cells);
    }
}
