using System.Diagnostics;
using System.Text.Json.Nodes;
using JeDi.Cli.Output;
using JeDi.Cli.Reporting;
using JeDi.Cli.Requests;
using JeDi.Files.Images;

namespace JeDi.Cli;

/// <summary>Computes and writes sets of pictures, one after the other, on one engine.</summary>
public sealed class SampleRun(Terminal terminal, OutputFolder folder, ImageStore images, Journal? journal)
{
    /// <summary>Lost words that a warning names.</summary>
    const int MostWords = 20;

    /// <summary>Encoded prompts and photos that are kept for the next pictures.</summary>
    const int KeptEncodings = 64;

    const int KeptDigests = 1024;

    readonly Recent<Prompt> prompts = new(KeptEncodings);

    /// <summary>Of the session that is prepared.</summary>
    readonly Recent<float[]> latents = new(KeptEncodings);
    readonly Recent<string> digests = new(KeptDigests);

    /// <summary>Names of the pictures of a set, by the set's key, until its grid is drawn.</summary>
    readonly Dictionary<string, IReadOnlyList<string>> names = [];

    /// <summary>Also all pictures of a request side by side.</summary>
    public bool Grid { get; init; }

    /// <summary>Also where each picture looks at its photos.</summary>
    public bool AttentionMap { get; init; }

    /// <summary>Steps between previews, 0: none.</summary>
    public int PreviewEvery { get; init; }

    public bool Quiet { get; init; }

    public bool Json { get; init; }

    /// <summary>Makes all sets that the journal does not know as finished.</summary>
    public async Task Run(IReadOnlyList<PictureSet> sets, CancellationToken stop)
    {
        List<PictureSet> todo = [.. sets.Where(set => journal?.IsDone(set.Key) != true)];
        RunProgress progress = RunProgress.For(terminal, Quiet);
        if (todo.Count < sets.Count)
        {
            progress.Say($"{sets.Count - todo.Count} of {sets.Count} were made before ({journal!.Path}; remove it to make them again)");
        }

        if (todo.Count > 0)
        {
            await progress.Run(() => Task.Run(() => Make(sets, todo, progress, stop), stop));
        }
    }

    async Task Make(IReadOnlyList<PictureSet> sets, List<PictureSet> todo, RunProgress progress, CancellationToken stop)
    {
        SampleSettings run = todo[0].Wishes;
        string model = ModelFinder.Find(run.Model);
        using JeDiEngine engine = JeDiEngine.Load(model, EngineRequests.Options(run));
        progress.Say($"{model} on {engine.Device.Name}, seed {run.Seed}");
        JeDiSession? session = null;
        SessionShape? prepared = null;
        try
        {
            int stepsDone = 0;
            foreach ((int index, PictureSet set) in todo.Index())
            {
                stop.ThrowIfCancellationRequested();
                PictureSet resolved = set with { Wishes = set.Resolve(engine.Defaults) };
                SessionShape shape = EngineRequests.Shape(resolved.Wishes, AttentionMap);
                if (shape != prepared)
                {
                    session?.Dispose();
                    session = null;
                    latents.Clear();
                    session = engine.Prepare(shape);
                    prepared = shape;
                }

                string what = $"{(set.Wishes.Together ? "set" : "picture")} {index + 1} of {todo.Count}";
                var steps = new SetSteps(progress, what, stepsDone, todo.Count - index);
                await Make(engine, session!, resolved, steps, progress, stop);
                stepsDone += steps.InSet;
                if (Grid && (index + 1 == todo.Count || todo[index + 1].Request != set.Request))
                {
                    WriteGrid([.. sets.Where(other => other.Request == set.Request)]);
                }
            }
        }
        finally
        {
            session?.Dispose();
        }
    }

    async Task Make(JeDiEngine engine, JeDiSession session, PictureSet set, SetSteps steps, RunProgress progress, CancellationToken stop)
    {
        IReadOnlyList<string> files = Names(set);
        string[] previews = [.. files.Select(name => Beside(folder.At(name), "preview"))];
        bool pads = set.Wishes.Fit == "pad";
        float[] Latent(string path) => latents.Get($"{pads} {path}", () => session.Encode(images.Get(path), pads));
        JeDiRequest request = EngineRequests.Request(set.Wishes, images.Get, Latent, text => Encode(engine, text, progress)) with
        {
            PreviewEvery = PreviewEvery,
            Preview = (_, pictures) => ShowPreviews(previews, pictures),
        };
        try
        {
            long begun = Stopwatch.GetTimestamp();
            JeDiResult result = await session.GenerateAsync(request, steps, stop);
            Write(set, files, result, Stopwatch.GetElapsedTime(begun), progress);
            journal?.Finish(set.Key);
        }
        finally
        {
            foreach (string preview in previews)
            {
                File.Delete(preview);
            }
        }
    }

    /// <summary>Names for a set's pictures; those that an interrupted run had planned stay.</summary>
    IReadOnlyList<string> Names(PictureSet set)
    {
        IReadOnlyList<string> files = journal?.Planned(set.Key)
            ?? [.. Enumerable.Range(0, set.Wishes.Pictures).Select(k => folder.NextPicture(set.Wishes.Seed!.Value + k))];
        journal?.Plan(set.Key, files);
        if (Grid)
        {
            names[set.Key] = files;
        }

        return files;
    }

    Prompt Encode(JeDiEngine engine, string text, RunProgress progress) => prompts.Get(text, () =>
    {
        IReadOnlyList<string> lost = engine.WordsCut(text);
        if (lost.Count > 0)
        {
            string more = lost.Count > MostWords ? $" ... and {lost.Count - MostWords} more" : "";
            progress.Warn($"the prompt is longer than the model reads; lost are: {string.Join(' ', lost.Take(MostWords))}{more}");
        }

        return engine.Encode(text);
    });

    void Write(PictureSet set, IReadOnlyList<string> files, JeDiResult result, TimeSpan time, RunProgress progress)
    {
        SampleSettings wishes = set.Wishes;
        Dictionary<string, string> digestsOfSet = PictureSet.Files(wishes).ToDictionary(Path.GetFullPath, Digest);
        PixelImage[] photos = AttentionMap ? [.. wishes.Reference.Select(reference => Fitted(reference.File, wishes))] : [];
        for (int picture = 0; picture < files.Count; picture++)
        {
            string path = folder.At(files[picture]);
            if (journal is null && File.Exists(path))
            {
                // Another run wrote there meanwhile.
                path = folder.At(folder.NextPicture(wishes.Seed!.Value + picture));
            }

            var parameters = new PictureParameters(wishes, picture, digestsOfSet);
            PngParameters.Write(path, result.Images[picture], parameters);
            if (AttentionMap)
            {
                PixelImage map = AttentionPicture.Of(photos, result.Images[picture], result.Correspondences[picture]);
                PngWriter.Write(Beside(path, "attention"), map);
            }

            Tell(path, parameters, time / files.Count, progress);
        }
    }

    void Tell(string path, PictureParameters parameters, TimeSpan time, RunProgress progress)
    {
        if (Json)
        {
            terminal.Out.WriteLine(new JsonObject
            {
                ["file"] = path,
                ["seed"] = parameters.Seed,
                ["seconds"] = Math.Round(time.TotalSeconds, 3),
                ["settings"] = parameters.Wishes.ToJson(),
            }.ToJsonString());
            terminal.Out.Flush();
        }
        else if (!Quiet)
        {
            progress.Tell(path);
        }
    }

    void ShowPreviews(string[] paths, IReadOnlyList<PixelImage> pictures)
    {
        foreach ((string path, PixelImage picture) in paths.Zip(pictures))
        {
            PngWriter.Write(path, picture);
        }
    }

    void WriteGrid(IEnumerable<PictureSet> request)
    {
        List<string> files = [.. request.SelectMany(set => names.GetValueOrDefault(set.Key) ?? journal?.Planned(set.Key) ?? [])];
        names.Clear();
        string number = files[0][..files[0].IndexOf('-')];
        PngWriter.Write(folder.At($"{number}-grid.png"), PixelImage.Grid([.. files.Select(file => ImageReader.Read(folder.At(file)))]));
    }

    /// <summary>A photo as the model sees it.</summary>
    PixelImage Fitted(string path, SampleSettings wishes) =>
        wishes.Fit == "pad"
            ? images.Get(path).Pad(wishes.Width!.Value, wishes.Height!.Value)
            : images.Get(path).Cover(wishes.Width!.Value, wishes.Height!.Value);

    string Digest(string path) => digests.Get(path, () => PictureParameters.Digest(path));

    static string Beside(string path, string what) => Path.ChangeExtension(path, null) + $"-{what}.png";

    /// <summary>Brings the steps of one set into the progress of the run.</summary>
    sealed class SetSteps(RunProgress progress, string what, int before, int setsLeft) : IProgress<StepProgress>
    {
        public int InSet { get; private set; }

        public void Report(StepProgress value)
        {
            if (InSet == 0)
            {
                InSet = value.Steps;
                progress.Begin(what, before + value.Steps * setsLeft);
            }

            progress.Step(before + value.Step);
        }
    }
}
