using JeDi.Files.Images;

namespace JeDi.Evaluation;

/// <summary>Judges pictures by encoders; each of them may be absent, and its measures with it.</summary>
/// <param name="clip">For CLIP-I and MCLIP-I, and with <paramref name="text"/> for CLIP-T.</param>
/// <param name="text">CLIP's encoder for prompts.</param>
/// <param name="dino">For DINO and MDINO.</param>
public sealed class Evaluator(PictureEncoder? clip, TextEncoder? text, PictureEncoder? dino)
{
    readonly Dictionary<MaskedPicture, Seen> real = [];
    readonly Dictionary<string, double[]> prompts = [];

    /// <exception cref="EvaluationException">A picture has no references.</exception>
    /// <exception cref="Files.FileException">A picture cannot be read.</exception>
    public EvaluationResult Run(IReadOnlyList<JudgedPicture> pictures, Action<int, int>? progress = null, CancellationToken stop = default)
    {
        var measured = new List<(string Subject, double?[] Values)>();
        foreach (JudgedPicture picture in pictures)
        {
            stop.ThrowIfCancellationRequested();
            measured.Add((picture.Subject, Measure(picture)));
            progress?.Invoke(measured.Count, pictures.Count);
        }

        List<Scores> subjects =
        [
            .. measured.GroupBy(one => one.Subject, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => Make(group.Key, i => Values(group.Select(one => one.Values[i])))),
        ];
        Scores total = Make("all", i => Values(subjects.Select(subject => subject.All[i]?.Mean)));
        int unmasked = clip is null && dino is null ? 0 : measured.Count(one => one.Values[2] is null && one.Values[4] is null);
        return new EvaluationResult(subjects, total, unmasked);
    }

    static double[] Values(IEnumerable<double?> values) => [.. values.OfType<double>()];

    static Scores Make(string subject, Func<int, double[]> values) => new(
        subject, Score.Of(values(0)), Score.Of(values(1)), Score.Of(values(2)), Score.Of(values(3)), Score.Of(values(4)));

    /// <summary>In the order of <see cref="Scores.Names"/>.</summary>
    double?[] Measure(JudgedPicture picture)
    {
        if (picture.References.Count == 0)
        {
            throw new EvaluationException($"{picture.Picture.File}: there is no real picture of '{picture.Subject}' to compare it with");
        }

        Seen result = See(picture.Picture);
        Seen[] references = [.. picture.References.Select(reference =>
            real.TryGetValue(reference, out Seen? known) ? known : real[reference] = See(reference))];
        return
        [
            result.Clip is not null && text is not null && picture.Prompt is string prompt
                ? Features.Cosine(result.Clip, Prompt(prompt))
                : null,
            Pairs(seen => seen.Clip),
            Pairs(seen => seen.MaskedClip),
            Pairs(seen => seen.Dino),
            Pairs(seen => seen.MaskedDino),
        ];

        double? Pairs(Func<Seen, double[]?> features)
        {
            List<double[]> others = [.. references.Select(features).OfType<double[]>()];
            return features(result) is double[] own && others.Count > 0 ? Features.MeanOfPairs([own], others) : null;
        }
    }

    double[] Prompt(string prompt) => prompts.TryGetValue(prompt, out double[]? known) ? known : prompts[prompt] = text!.Encode(prompt);

    Seen See(MaskedPicture picture)
    {
        (PixelImage pixels, PixelImage? alpha) = ImageReader.ReadWithAlpha(picture.File);
        PixelImage? mask = picture.Mask is string file ? ImageReader.Read(file) : alpha;
        return new Seen(
            clip?.Encode(pixels),
            mask is null ? null : clip?.Encode(pixels, mask),
            dino?.Encode(pixels),
            mask is null ? null : dino?.Encode(pixels, mask));
    }

    /// <summary>A picture's features, whole and masked.</summary>
    sealed record Seen(double[]? Clip, double[]? MaskedClip, double[]? Dino, double[]? MaskedDino);
}
