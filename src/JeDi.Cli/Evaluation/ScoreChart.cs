using System.Globalization;
using System.Net;
using System.Text;
using JeDi.Evaluation;
using JeDi.Files;

namespace JeDi.Cli.Evaluation;

/// <summary>Scores as bars with their standard errors, a group for each measure, as an SVG file.</summary>
static class ScoreChart
{
    const int BarWidth = 14;
    const int GroupGap = 28;
    const int Left = 48;
    const int Top = 32;
    const int Height = 300;
    static readonly string[] colours = ["#4878d0", "#ee854a", "#6acc64", "#d65f5f", "#956cb4", "#8c613c", "#dc7ec0", "#797979"];

    /// <exception cref="FileException">The file cannot be written.</exception>
    public static void Write(string path, EvaluationResult result) => AtomicFile.Write(path, Encoding.UTF8.GetBytes(Draw(result)));

    public static string Draw(EvaluationResult result)
    {
        Scores[] rows = [.. result.Subjects, .. result.Subjects.Count > 1 ? [result.Total] : Array.Empty<Scores>()];
        int[] measures = [.. Enumerable.Range(0, Scores.Names.Count).Where(i => result.Total.All[i] is not null)];
        int group = rows.Length * BarWidth + GroupGap;
        int width = Math.Max(360, Left + measures.Length * group + GroupGap);
        int legend = Top + Height + 44;
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{legend + 20 * rows.Length}"
                font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>

            """);
        for (int tenth = 0; tenth <= 10; tenth += 2)
        {
            double y = Row(tenth / 10.0);
            svg.Append(CultureInfo.InvariantCulture, $"""
                <line x1="{Left}" y1="{y:F1}" x2="{width - GroupGap}" y2="{y:F1}" stroke="#dddddd"/>
                <text x="{Left - 8}" y="{y + 4:F1}" text-anchor="end">{tenth / 10.0:F1}</text>

                """);
        }

        for (int m = 0; m < measures.Length; m++)
        {
            int x = Left + GroupGap / 2 + m * group;
            for (int r = 0; r < rows.Length; r++)
            {
                if (rows[r].All[measures[m]] is Score score)
                {
                    Bar(x + r * BarWidth, score, colours[r % colours.Length]);
                }
            }

            svg.Append(CultureInfo.InvariantCulture, $"""
                <text x="{x + rows.Length * BarWidth / 2}" y="{Top + Height + 18}" text-anchor="middle">{Scores.Names[measures[m]]}</text>

                """);
        }

        for (int r = 0; r < rows.Length; r++)
        {
            int y = legend + 20 * r;
            svg.Append(CultureInfo.InvariantCulture, $"""
                <rect x="{Left}" y="{y - 10}" width="12" height="12" fill="{colours[r % colours.Length]}"/>
                <text x="{Left + 20}" y="{y}">{WebUtility.HtmlEncode(CleanText.Of(rows[r].Subject))}</text>

                """);
        }

        return svg.Append("</svg>\n").ToString();

        void Bar(int x, Score score, string colour)
        {
            double y = Row(score.Mean);
            double middle = x + BarWidth / 2.0;
            double low = Row(score.Mean - score.Error);
            double high = Row(score.Mean + score.Error);
            svg.Append(CultureInfo.InvariantCulture, $"""
                <rect x="{x}" y="{y:F1}" width="{BarWidth - 2}" height="{Row(0) - y:F1}" fill="{colour}"/>
                <line x1="{middle:F1}" y1="{low:F1}" x2="{middle:F1}" y2="{high:F1}" stroke="black"/>

                """);
        }

        static double Row(double value) => Top + Height * (1 - Math.Clamp(value, 0, 1));
    }
}
