using System.Globalization;
using System.Text;
using JeDi.Files;
using JeDi.Files.Images;
using JeDi.Training;

namespace JeDi.Cli.Training;

/// <summary>Losses of a run as <c>loss.csv</c> and <c>loss.png</c>; a run that is resumed goes on where its checkpoint was.</summary>
sealed class LossCurve
{
    const string Head = "step,loss,gradient,rate,held_out";
    const int Width = 960;
    const int Height = 480;
    const int Margin = 24;

    readonly string folder;
    readonly List<string> lines = [Head];
    readonly List<(long Step, double Loss)> points = [];
    readonly List<(long Step, double Loss)> heldOut = [];

    public LossCurve(string folder, long step)
    {
        this.folder = folder;
        string file = Path.Combine(folder, "loss.csv");
        if (step > 0 && File.Exists(file))
        {
            foreach (string line in File.ReadLines(file).Skip(1))
            {
                string[] cells = line.Split(',');
                if (cells.Length == 5 && long.TryParse(cells[0], CultureInfo.InvariantCulture, out long at) && at <= step
                    && double.TryParse(cells[1], CultureInfo.InvariantCulture, out double loss))
                {
                    double? held = double.TryParse(cells[4], CultureInfo.InvariantCulture, out double value) ? value : null;
                    Add(line, at, loss, held);
                }
            }
        }
    }

    public void Add(StepResult result, double? held) => Add(
        string.Create(CultureInfo.InvariantCulture, $"{result.Step},{result.Loss:R},{result.GradientNorm:R},{result.Rate:R},{held:R}"),
        result.Step,
        result.Loss,
        held);

    /// <exception cref="FileException">A file cannot be written.</exception>
    public void Save()
    {
        AtomicFile.Write(Path.Combine(folder, "loss.csv"), Encoding.ASCII.GetBytes(string.Join('\n', lines) + "\n"));
        PngWriter.Write(Path.Combine(folder, "loss.png"), Draw());
    }

    void Add(string line, long step, double loss, double? held)
    {
        lines.Add(line);
        points.Add((step, loss));
        if (held is double value)
        {
            heldOut.Add((step, value));
        }
    }

    /// <summary>Means of the losses of each column of pixels in blue, the held-out loss in red, lines at tenths of the highest.</summary>
    PixelImage Draw()
    {
        var picture = new PixelImage(Width, Height, new byte[3 * Width * Height]);
        picture.Rgb.AsSpan().Fill(255);
        long last = points.Count == 0 ? 1 : points[^1].Step;
        var columns = points.GroupBy(point => Column(point.Step)).ToDictionary(group => group.Key, group => group.Average(p => p.Loss));
        double most = Math.Max(1e-9, columns.Values.Concat(heldOut.Select(point => point.Loss)).DefaultIfEmpty(1).Max());
        for (int tenth = 0; tenth <= 10; tenth++)
        {
            for (int x = Margin; x < Width - Margin; x++)
            {
                Dot(x, Row(most * tenth / 10), (225, 225, 225));
            }
        }

        Line(columns.OrderBy(column => column.Key).Select(column => (column.Key, Row(column.Value))), (40, 80, 200));
        Line(heldOut.Select(point => (Column(point.Step), Row(point.Loss))), (200, 50, 40));
        return picture;

        int Column(long step) => Margin + (int)((Width - 2 * Margin - 1) * step / Math.Max(1, last));

        int Row(double loss) => Height - Margin - (int)((Height - 2 * Margin) * Math.Clamp(loss / most, 0, 1));

        void Line(IEnumerable<(int X, int Y)> path, (byte R, byte G, byte B) colour)
        {
            (int X, int Y)? before = null;
            foreach ((int x, int y) in path)
            {
                (int fromX, int fromY) = before ?? (x, y);
                int length = Math.Max(1, Math.Max(Math.Abs(x - fromX), Math.Abs(y - fromY)));
                for (int i = 0; i <= length; i++)
                {
                    Dot(fromX + (x - fromX) * i / length, fromY + (y - fromY) * i / length, colour);
                    Dot(fromX + (x - fromX) * i / length, fromY + (y - fromY) * i / length + 1, colour);
                }

                before = (x, y);
            }
        }

        void Dot(int x, int y, (byte R, byte G, byte B) colour)
        {
            if (x >= 0 && x < Width && y >= 0 && y < Height)
            {
                int at = 3 * (y * Width + x);
                (picture.Rgb[at], picture.Rgb[at + 1], picture.Rgb[at + 2]) = colour;
            }
        }
    }
}
