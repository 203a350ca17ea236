using System.Globalization;
using JeDi.Datasets.Emoji;
using JeDi.Evaluation.Drawings;
using JeDi.Files.Images;
using JeDi.Sampling;

namespace JeDi.Cli.Evaluation;

/// <summary>How the requests of a row are made.</summary>
/// <param name="Engine">Makes them.</param>
/// <param name="Model">Its path.</param>
/// <param name="References">Of each request.</param>
/// <param name="Guidance">Mode.</param>
/// <param name="TextScale">Scale of the text.</param>
/// <param name="ImageScale">Scale of the references; 0 where the mode has none.</param>
sealed record TrialSetting(
    JeDiEngine Engine, string Model, int References, GuidanceMode Guidance, double TextScale, double ImageScale)
{
    /// <summary>What sets this row apart from the others.</summary>
    public string Describe(IEnumerable<TrialSetting> all)
    {
        TrialSetting[] rows = [.. all];
        string scales = string.Create(CultureInfo.InvariantCulture, $", text {TextScale}") + (ImageScale > 0
            ? string.Create(CultureInfo.InvariantCulture, $", image {ImageScale}")
            : "");
        return (rows.Select(row => row.Model).Distinct().Count() > 1 ? $"{Model}, " : "")
            + $"{References} references, {Sampling.Guidance.NameOf(Guidance)}{scales}";
    }
}

/// <summary>Scores of every row, beside those of real pictures of the same subjects that went through the autoencoder.</summary>
/// <param name="Grid">Null: not wanted.</param>
sealed record TrialResult(
    int Requests, DrawingScores Real, IReadOnlyList<(TrialSetting Setting, DrawingScores Scores)> Rows, PixelImage? Grid);

/// <summary>Asks for pictures of held-out drawings, request by request, each row with the same subjects, texts and noise.</summary>
sealed class TrialRun(EmojiLibrary library, long seed)
{
    /// <summary>Requests in the grid: the first ones, whatever they look like.</summary>
    public const int Shown = 8;

    readonly DrawingTrials trials = new(library, seed);
    readonly List<(TrialSetting Setting, JeDiSession Session, List<DrawingVerdict> Verdicts)> rows = [];
    readonly Dictionary<(JeDiEngine, SessionShape), JeDiSession> sessions = [];
    readonly List<DrawingVerdict> real = [];
    readonly List<PixelImage> shown = [];

    public required int Requests { get; init; }

    /// <summary>0: the model's.</summary>
    public required int Steps { get; init; }

    /// <summary>Null: the model's.</summary>
    public required string? Sampler { get; init; }

    /// <summary>Folder for all results, or null.</summary>
    public required string? Save { get; init; }

    /// <summary>Whether a grid is made.</summary>
    public required bool Grid { get; init; }

    /// <summary>Hears how many requests are done.</summary>
    public required Action<int> Progress { get; init; }

    public void Add(TrialSetting setting)
    {
        var shape = new SessionShape(setting.References, Guidance: setting.Guidance, Sampler: Sampler, Steps: Steps);
        if (!sessions.TryGetValue((setting.Engine, shape), out JeDiSession? session))
        {
            session = sessions[(setting.Engine, shape)] = setting.Engine.Prepare(shape);
        }

        rows.Add((setting, session, []));
    }

    public TrialResult Run(CancellationToken stop)
    {
        try
        {
            for (int i = 0; i < Requests; i++)
            {
                Ask(i, stop);
                Progress(i + 1);
            }
        }
        finally
        {
            foreach (JeDiSession session in sessions.Values)
            {
                session.Dispose();
            }
        }

        return new TrialResult(
            Requests,
            DrawingScores.Of(real, real),
            [.. rows.Select(row => (row.Setting, DrawingScores.Of(row.Verdicts, real)))],
            Grid ? Laid() : null);
    }

    /// <summary>A row of the picture for each request.</summary>
    PixelImage Laid()
    {
        (int across, int side) = (DrawingTrials.MostReferences + 1 + rows.Count, shown[0].Width);
        int down = shown.Count / across;
        var grid = new PixelImage(across * side, down * side, new byte[3 * across * side * down * side]);
        foreach ((int i, PixelImage picture) in shown.Index())
        {
            grid.Paste(picture, i % across * side, i / across * side);
        }

        return grid;
    }

    void Ask(int number, CancellationToken stop)
    {
        JeDiSession first = rows[0].Session;
        DrawingTrial trial = trials.Load(number, first.Width);
        Lineup lineup = trials.LineupOf(number);
        PixelImage rebuilt = first.Decode(first.Encode(trial.Real, cancellationToken: stop), stop);
        real.Add(DrawingVerdict.Of(rebuilt, trial, lineup, DrawingTrials.MostReferences));
        bool show = Grid && number < Shown;
        if (show)
        {
            shown.AddRange([.. trial.References, trial.Real]);
        }

        foreach ((int row, (TrialSetting setting, JeDiSession session, List<DrawingVerdict> verdicts)) in rows.Index())
        {
            PixelImage result = session.GenerateAsync(RequestOf(trial, setting, number), cancellationToken: stop)
                .GetAwaiter().GetResult().Images[0];
            verdicts.Add(DrawingVerdict.Of(result, trial, lineup, setting.References));
            if (show)
            {
                shown.Add(result);
            }

            if (Save is not null)
            {
                string folder = Path.Combine(Save, row.ToString(CultureInfo.InvariantCulture));
                Directory.CreateDirectory(folder);
                PngWriter.Write(Path.Combine(folder, $"{number:D5}.png"), result);
            }
        }
    }

    JeDiRequest RequestOf(DrawingTrial trial, TrialSetting setting, int number) => new()
    {
        Prompts = [trial.Prompt],
        References =
        [
            .. Enumerable.Range(0, setting.References)
                .Select(i => new Reference { Image = trial.References[i], Caption = trial.Captions[i] }),
        ],
        Seed = seed + number,
        TextScale = setting.TextScale,
        ImageScale = setting.ImageScale > 0 ? setting.ImageScale : null,
    };
}
