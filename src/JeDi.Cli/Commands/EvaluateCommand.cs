using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using JeDi.Cli.Evaluation;
using JeDi.Cli.Reporting;
using JeDi.Evaluation;
using JeDi.Files;
using JeDi.Tensors;

namespace JeDi.Cli.Commands;

/// <summary><c>jedi-native evaluate</c>: how well pictures show their subject and their prompt, as the papers measure it.</summary>
public sealed class EvaluateCommand : DocumentedCommand
{
    readonly Terminal terminal;
    readonly Argument<string> results = new("results")
    {
        Description = "Folder of pictures that jedi-native made (or a subfolder for each subject), or a list of JSON lines.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    readonly Option<string> clip = OptionTypes.Text(
        "--clip", "FOLDER", "CLIP ViT-B/32 as transformers saves it: CLIP-T, CLIP-I and MCLIP-I");
    readonly Option<string> dino = OptionTypes.Text("--dino", "FOLDER", "DINO ViT-S/16 as transformers saves it: DINO and MDINO");
    readonly Option<string> references = OptionTypes.Text(
        "--references", "FOLDER", "Real pictures, or a subfolder of them for each subject [default: those that a result was made with]");
    readonly Option<string> dreamBooth = OptionTypes.Text(
        "--dreambooth", "FOLDER", "DreamBooth's data set: its photos are the references, its list numbers the prompts");
    readonly Option<string> masks = OptionTypes.Text(
        "--masks", "FOLDER", "Masks of results, white where the subject is, under the same names [default: their alpha]");
    readonly Option<string> referenceMasks = OptionTypes.Text(
        "--reference-masks", "FOLDER", "Masks of real pictures, in the same way [default: their alpha]");
    readonly Option<string> tokenizer = OptionTypes.Text(
        "--tokenizer", "FOLDER", "vocab.json and merges.txt, where CLIP's folder has none [default: the CLIP vocabulary that ships]");
    readonly Option<string> requests = OptionTypes.Text(
        "--requests", "FILE", "With --dreambooth: write the requests for sample --prompts-from, and judge nothing");
    readonly Option<int> photos = OptionTypes.Int("--photos", "N", "References of such a request [default: 3]");
    readonly Option<string> chart = OptionTypes.Text("--chart", "FILE.svg", "Draw the scores.");
    readonly Option<bool> json = OptionTypes.Flag("--json", "Print JSON instead of a table.");
    readonly Option<string> device = OptionTypes.Text("--device", "DEVICE", "auto, cpu, cuda or cuda:N [default: auto]");
    readonly Option<bool> quiet = OptionTypes.Flag("--quiet", "No progress.", "-q");

    public EvaluateCommand(Terminal terminal)
        : base("evaluate", "Judge pictures: CLIP-T, CLIP-I, MCLIP-I, DINO and MDINO.")
    {
        this.terminal = terminal;
        Arguments.Add(results);
        Group("Encoders", clip, dino, tokenizer, device);
        Group("What is compared", references, masks, referenceMasks, dreamBooth, requests, photos);
        Group("Output", chart, json, quiet);
        SetAction((parsed, stop) => Task.Run(() => Run(parsed, stop), CancellationToken.None));
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "jedi-native evaluate out --clip clip-vit-base-patch32 --dino dino-vits16      pictures that say what they were made of",
        "jedi-native evaluate results.jsonl --dino dino-vits16 --chart scores.svg      a list: image, subject, prompt, references",
        "jedi-native evaluate --dreambooth dreambooth --requests requests.jsonl        750 requests; then:",
        "jedi-native sample --prompts-from requests.jsonl -o out --model MODEL",
        "jedi-native evaluate out --dreambooth dreambooth --clip clip-vit-base-patch32 --dino dino-vits16",
    ];

    int Run(ParseResult parsed, CancellationToken stop)
    {
        DreamBoothFolder? list = parsed.GetValue(dreamBooth) is string folder ? new DreamBoothFolder(folder) : null;
        if (parsed.GetValue(requests) is string file)
        {
            WriteRequests(list ?? throw new UsageException("--requests: are made of DreamBooth's list; add --dreambooth FOLDER"), file,
                parsed.Has(photos) ? parsed.GetValue(photos) : 3);
            return CommandLine.Success;
        }

        string judged = parsed.GetValue(results) ?? throw new UsageException("evaluate: what? name a folder of pictures, or a list");
        string? clipFolder = parsed.GetValue(clip);
        string? dinoFolder = parsed.GetValue(dino);
        if (clipFolder is null && dinoFolder is null)
        {
            throw new UsageException("evaluate: by which encoder? add --clip FOLDER, --dino FOLDER or both");
        }

        var pictures = new JudgedList(parsed.GetValue(references), list, parsed.GetValue(masks), parsed.GetValue(referenceMasks))
            .Read(judged);
        using Device on = Devices.Open(new EngineOptions { Device = parsed.GetValue(device) ?? "auto" });
        var evaluator = new Evaluator(
            clipFolder is null ? null : PictureEncoder.OpenClip(on, clipFolder),
            clipFolder is null ? null : TextEncoder.Open(on, clipFolder, parsed.GetValue(tokenizer) ?? ShippedTokenizer()),
            dinoFolder is null ? null : PictureEncoder.OpenDino(on, dinoFolder));
        bool told = !parsed.GetValue(quiet);
        EvaluationResult result = evaluator.Run(pictures, (done, all) => Say(told, done, all), stop);
        if (parsed.GetValue(chart) is string drawn)
        {
            ScoreChart.Write(drawn, result);
        }

        Tell(result, parsed.GetValue(json));
        return CommandLine.Success;
    }

    void WriteRequests(DreamBoothFolder list, string file, int most)
    {
        if (most < 1)
        {
            throw new UsageException($"--photos {most}: 1 or more are possible");
        }

        var lines = new StringBuilder();
        int count = 0;
        foreach (string subject in list.Classes.Keys)
        {
            string[] shown = [.. list.Photos(subject).Take(most).Select(Path.GetFullPath)];
            if (shown.Length == 0)
            {
                throw new EvaluationException($"{Path.Combine(list.Folder, subject)}: there are no photos of '{subject}'");
            }

            foreach (string prompt in list.Prompts(subject))
            {
                var given = new JsonArray([.. shown.Select(photo => (JsonNode)photo)]);
                var wishes = new JsonObject { ["prompt"] = prompt, ["reference"] = given };
                lines.Append(wishes.ToJsonString()).Append('\n');
                count++;
            }
        }

        AtomicFile.Write(file, Encoding.UTF8.GetBytes(lines.ToString()));
        terminal.Error.WriteLine($"{file}: {count} requests; next: jedi-native sample --prompts-from {file} -o RESULTS");
    }

    void Tell(EvaluationResult result, bool asJson)
    {
        Scores[] rows = [.. result.Subjects, result.Total];
        if (asJson)
        {
            terminal.Out.WriteLine(JsonLines.Indented(new JsonObject
            {
                ["subjects"] = new JsonArray([.. result.Subjects.Select(scores => (JsonNode)Full(scores))]),
                ["total"] = Full(result.Total),
                ["without_mask"] = result.WithoutMask,
            }));
            return;
        }

        Report.WriteTable(terminal.Out, [.. rows.Select(scores => (JsonNode)Row(scores))]);
        if (result.WithoutMask > 0)
        {
            terminal.Error.WriteLine(
                $"{result.WithoutMask} pictures, or all their references, have no mask: MCLIP-I and MDINO leave them out");
        }
    }

    static JsonObject Row(Scores scores)
    {
        var row = new JsonObject { ["subject"] = scores.Subject };
        for (int i = 0; i < scores.All.Count; i++)
        {
            row[Scores.Names[i]] = scores.All[i] is Score score
                ? string.Create(CultureInfo.InvariantCulture, $"{score.Mean:F4} ± {score.Error:F4}")
                : "-";
        }

        return row;
    }

    static JsonObject Full(Scores scores)
    {
        var row = new JsonObject { ["subject"] = scores.Subject };
        for (int i = 0; i < scores.All.Count; i++)
        {
            row[Scores.Names[i]] = scores.All[i] is Score score
                ? new JsonObject { ["mean"] = score.Mean, ["standard_error"] = score.Error, ["count"] = score.Pictures }
                : null;
        }

        return row;
    }

    void Say(bool told, int done, int all)
    {
        const int Every = 50;
        if (told && (done % Every == 0 || done == all))
        {
            terminal.Error.WriteLine($"{done} of {all} pictures");
        }
    }

    static string? ShippedTokenizer() => ShippedFiles.Find("clip-tokenizer");
}
