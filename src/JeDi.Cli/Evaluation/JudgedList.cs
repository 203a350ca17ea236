using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using JeDi.Cli.Output;
using JeDi.Cli.Requests;
using JeDi.Evaluation;
using JeDi.Files;
using JeDi.Files.Images;

namespace JeDi.Cli.Evaluation;

/// <summary>
/// Which pictures are judged, by what prompt and against which real ones: a list of requests (JSON lines), or a folder. In a folder, what a
/// picture has inside (see <see cref="PictureParameters"/>) says its prompt and references, and its subfolder names its subject.
/// </summary>
/// <param name="References">Folder of real pictures, or of a subfolder for each subject; null: as the pictures say.</param>
/// <param name="DreamBooth">Subjects and prompts of DreamBooth's data set, or null.</param>
/// <param name="Masks">Folder of masks of results, or null.</param>
/// <param name="ReferenceMasks">Folder of masks of real pictures, or null.</param>
sealed partial record JudgedList(string? References, DreamBoothFolder? DreamBooth, string? Masks, string? ReferenceMasks)
{
    static readonly JsonSerializerOptions names = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
    };

    /// <exception cref="FileException">A file or folder is missing or damaged.</exception>
    /// <exception cref="EvaluationException">Nothing to judge, or nothing says what a picture should show.</exception>
    public IReadOnlyList<JudgedPicture> Read(string results)
    {
        List<JudgedPicture> pictures = File.Exists(results)
            ? [.. ReadList(results)]
            : [.. ResultFolder.AllPictures(results).Select(file => Judge(results, file))];
        return pictures.Count > 0 ? pictures : throw new EvaluationException($"{results}: there are no pictures to judge");
    }

    JudgedPicture Judge(string root, string file)
    {
        PictureParameters? made = Inside(file);
        string[] below = Path.GetRelativePath(root, file).Split(Path.DirectorySeparatorChar);
        string? subject = below.Length > 1 ? below[0]
            : made?.Wishes.Reference.FirstOrDefault() is { } first ? Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(first.File)))
            : References is string folder ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))
            : null;
        if (subject is null)
        {
            throw new EvaluationException(
                $"{file}: nothing says what it should show; add --references FOLDER, or put results in a folder for each subject");
        }

        string? prompt = made?.Wishes.Prompt[Math.Min(made.Picture, made.Wishes.Prompt.Length - 1)] ?? NumberedPrompt(subject, below);
        return new JudgedPicture(
            new MaskedPicture(file, ResultFolder.Mask(Masks, root, file)), subject, prompt, Real(subject, made));
    }

    IReadOnlyList<MaskedPicture> Real(string subject, PictureParameters? made)
    {
        string? folder = DreamBooth is not null ? Path.Combine(DreamBooth.Folder, subject)
            : References is null ? null
            : Directory.Exists(Path.Combine(References, subject)) ? Path.Combine(References, subject)
            : References;
        return folder is null
            ? [.. (made?.Wishes.Reference ?? []).Select(reference => new MaskedPicture(reference.File, reference.Mask))]
            : [.. ResultFolder.Pictures(folder).Select(
                file => new MaskedPicture(file, ResultFolder.Mask(ReferenceMasks, DreamBooth?.Folder ?? References!, file)))];
    }

    /// <summary>
    /// DreamBooth's prompt of the number in the name of a file or of its folder: <c>backpack/3/0.png</c>, <c>backpack/3.png</c>.
    /// </summary>
    string? NumberedPrompt(string subject, string[] below)
    {
        if (DreamBooth is null || !DreamBooth.Classes.ContainsKey(subject) || below.Length < 2)
        {
            return null;
        }

        IReadOnlyList<string> prompts = DreamBooth.Prompts(subject);
        Match number = FirstNumber().Match(below.Length > 2 ? below[1] : below[^1]);
        return number.Success && int.TryParse(number.Value, CultureInfo.InvariantCulture, out int index) && index < prompts.Count
            ? prompts[index]
            : null;
    }

    static PictureParameters? Inside(string file)
    {
        if (!file.EndsWith(".png", StringComparison.OrdinalIgnoreCase)
            || PngText.Read(file).GetValueOrDefault(PictureParameters.JsonKey) is not string json)
        {
            return null;
        }

        return PictureParameters.Parse(json, file);
    }

    static IEnumerable<JudgedPicture> ReadList(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (line.Trim().Length == 0)
            {
                continue;
            }

            Line read;
            try
            {
                read = JsonSerializer.Deserialize<Line>(line, names) ?? throw new JsonException("null");
            }
            catch (JsonException)
            {
                throw new EvaluationException($"{path}, line {number}: cannot be used; a line is {Line.Example}");
            }

            if (read.Image is null)
            {
                throw new EvaluationException($"{path}, line {number}: has no image; a line is {Line.Example}");
            }

            string?[] masks = read.ReferenceMasks ?? [];
            yield return new JudgedPicture(
                new MaskedPicture(Full(read.Image)!, Full(read.Mask)),
                read.Subject ?? "all pictures",
                read.Prompt,
                [.. (read.References ?? []).Select((file, i) => new MaskedPicture(Full(file)!, Full(masks.ElementAtOrDefault(i))))]);
        }

        string? Full(string? file) => file is null ? null : Path.GetFullPath(file, folder);
    }

    /// <summary>A line of a list; paths are relative to the list.</summary>
    sealed record Line(string? Image, string? Subject, string? Prompt, string[]? References, string? Mask, string?[]? ReferenceMasks)
    {
        public const string Example =
            """{"image": "1.png", "subject": "dog", "prompt": "a dog in the snow", "references": ["a.jpg", "b.jpg"]}""";
    }

    [GeneratedRegex("[0-9]+")]
    private static partial Regex FirstNumber();
}
