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
    /// <summary>Encoded prompts and photos that are kept for the next pictures.</summary>
    const int KeptEncodings = 64;

    const int KeptDigests = 1024;

    const string GridName = "grid";
    const string MapName = "attention";

    Recent<Prompt> prompts = new(KeptEncodings);

    /// <summary>Of the session that is prepared.</summary>
    readonly Recent<float[]> latents = new(KeptEncodings);
    readonly Recent<string> digests = new(KeptDigests);

    /// <summary>Files of the sets that this run made, by the set's key, until their grid is drawn.</summary>
    readonly Dictionary<string, SetFiles> made = [];

    /// <summary>Also all pictures of a request side by side.</summary>
    public bool Grid { get; init; }

    /// <summary>Also where each picture looks at its photos.</summary>
    public bool AttentionMap { get; init; }

    /// <summary>Wishes of the picture that is made again, or null.</summary>
    public SampleSettings? Repeated { get; init; }

    /// <summary>Steps between previews, 0: none.</summary>
    public int PreviewEvery { get; init; }

    public bool Quiet { get; init; }

    public bool Json { get; init; }

    /// <summary>Also say what every part takes.</summary>
    public bool Verbose { get; init; }

    /// <summary>Seed of the whole run.</summary>
    public required long Seed { get; init; }

    /// <summary>Makes all sets whose pictures an earlier run has not made.</summary>
    public async Task Run(IReadOnlyList<PictureSet> sets, CancellationToken stop)
    {
        List<PictureSet> todo = [.. sets.Where(set => !IsDone(set))];
        RunProgress progress = RunProgress.For(terminal, Quiet);
        if (todo.Count < sets.Count)
        {
            progress.Say($"{sets.Count - todo.Count} of {sets.Count} were made before ({journal!.Path}; remove it to make them again)");
        }

        if (Grid)
        {
            DrawMissingGrids(sets, todo);
        }

        if (todo.Count > 0)
        {
            await progress.Run(() => Task.Run(() => Make(sets, todo, progress, stop), stop));
        }
    }

    /// <summary>Whether an earlier run made the set and everything that belongs to it is still there.</summary>
    bool IsDone(PictureSet set) => journal?.Planned(set.Key) is { Count: > 0 } files
        && files.All(name => folder.Has(name) && (!AttentionMap || folder.Has(OutputFolder.Beside(name, MapName))));

    async Task Make(IReadOnlyList<PictureSet> sets, List<PictureSet> todo, RunProgress progress, CancellationToken stop)
    {
        SampleSettings run = todo[0].Wishes;
        string model = ModelFinder.Find(run.Model);
        long begun = Stopwatch.GetTimestamp();
        using JeDiEngine engine = await JeDiEngine.LoadAsync(model, EngineRequests.Options(run), stop);
        double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        Explain(progress, $"{model}: opened in {seconds:0.00} s; {engine.Checkpoint.UNet.InChannels} inputs, "
            + $"{engine.Defaults.Sampler} by default");
        Task<TimeSpan> loaded = engine.WeightsLoaded.ContinueWith(
            weights =>
            {
                weights.GetAwaiter().GetResult();
                return Stopwatch.GetElapsedTime(begun);
            },
            TaskScheduler.Default);
        foreach (string doubt in engine.Checkpoint.Doubts)
        {
            progress.Warn(OptionNames.In(doubt));
        }

        using var sessions = new OneSession(engine, latents);
        List<PictureSet> resolved = [.. todo.Select(set => set with { Wishes = set.Resolve(engine.Defaults) })];
        resolved.ForEach(set => CheckDefaults(set.Wishes, model));
        resolved.ForEach(set => CheckLayers(set.Wishes, engine.Checkpoint.Text.Layers, model));
        SampleSettings first = resolved[0].Wishes;
        MemoryPlan plan = engine.Plan(Shape(engine, resolved[0]));

        // The first step of a large model may take minutes; until then this shows that it works.
        progress.Say($"{model} on {DeviceReport.Used(engine.Device, run.Device)}, seed {Seed}");
        progress.Say($"{What(todo, 0)}: {first.Width} x {first.Height}, {first.Steps} {(first.Steps == 1 ? "step" : "steps")}");
        progress.Say(plan.Summary);
        if (run.LowMemory)
        {
            await MakeInPhases(sessions, resolved, progress, stop);
        }
        else
        {
            await MakeInTurn(sessions, resolved, progress, stop);
        }

        foreach (IGrouping<int, PictureSet> request in Grid && run.LowMemory ? todo.GroupBy(set => set.Request) : [])
        {
            WriteGrid([.. sets.Where(other => other.Request == request.Key)]);
        }

        async Task MakeInTurn(OneSession sessions, List<PictureSet> todo, RunProgress progress, CancellationToken stop)
        {
            int stepsDone = 0;
            foreach ((int index, PictureSet set) in todo.Index())
            {
                stop.ThrowIfCancellationRequested();
                JeDiSession session = Session(sessions, set, progress);
                if (index == 0)
                {
                    foreach (string line in WithoutEffect.Lines(
                        sets[0].Wishes, Repeated, set.Wishes, PreviewEvery, session.Evaluations))
                    {
                        progress.Warn(line);
                    }
                }

                var steps = new SetSteps(progress, What(todo, index), stepsDone, todo.Count - index, Verbose && index == 0);
                SetFiles files = Plan(set);
                try
                {
                    JeDiRequest request = Request(sessions, set, files, progress, stop);
                    long begun = Stopwatch.GetTimestamp();
                    JeDiResult result = await session.GenerateAsync(request, steps, stop);
                    TimeSpan time = Stopwatch.GetElapsedTime(begun);
                    if (index == 0 && engine.Device.ComputesWhileLoading)
                    {
                        Explain(progress, $"weights: {engine.WeightBytes >> 20} MB loaded in {(await loaded).TotalSeconds:0.00} s");
                    }

                    Explain(progress, $"{files.Names[0]}: {time.TotalSeconds:0.00} s");
                    Write(set, files, result, time, progress);
                }
                finally
                {
                    files.RemovePreviews();
                }

                stepsDone += steps.InSet;
                if (Grid && (index + 1 == todo.Count || todo[index + 1].Request != set.Request))
                {
                    WriteGrid([.. sets.Where(other => other.Request == set.Request)]);
                }
            }
        }
    }

    /// <summary>All texts, then all photos, all denoising, all pictures: each network is loaded once, and is alone in memory.</summary>
    async Task MakeInPhases(OneSession sessions, List<PictureSet> todo, RunProgress progress, CancellationToken stop)
    {
        prompts = new Recent<Prompt>(int.MaxValue);
        foreach (SampleSettings wishes in todo.Select(set => set.Wishes))
        {
            int chunks = Chunks(sessions.Engine, wishes);
            foreach (string text in EngineRequests.Texts(wishes).Append(""))
            {
                Encode(sessions.Engine, wishes, chunks, text, progress, stop);
            }
        }

        List<JeDiRequest> requests = [.. todo.Select(set => Request(sessions, set, null, progress, stop) with { LatentsOnly = true })];
        var results = new List<(JeDiResult Result, TimeSpan Time)>();
        int stepsDone = 0;
        foreach ((int index, PictureSet set) in todo.Index())
        {
            var steps = new SetSteps(progress, What(todo, index), stepsDone, todo.Count - index, Verbose && index == 0);
            long begun = Stopwatch.GetTimestamp();
            JeDiResult result = await Session(sessions, set, progress).GenerateAsync(requests[index], steps, stop);
            results.Add((result, Stopwatch.GetElapsedTime(begun)));
            stepsDone += steps.InSet;
        }

        foreach ((int index, PictureSet set) in todo.Index())
        {
            long begun = Stopwatch.GetTimestamp();
            JeDiResult result = Session(sessions, set, progress).Decode(requests[index], results[index].Result, stop);
            Write(set, Plan(set), result, results[index].Time + Stopwatch.GetElapsedTime(begun), progress);
        }
    }

    SessionShape Shape(JeDiEngine engine, PictureSet set) =>
        EngineRequests.Shape(set.Wishes, AttentionMap, Chunks(engine, set.Wishes));

    /// <summary>All texts of a request have as many chunks as its longest.</summary>
    static int Chunks(JeDiEngine engine, SampleSettings wishes)
    {
        PromptSyntax syntax = EngineRequests.Syntax(wishes);
        return EngineRequests.Texts(wishes).Max(text => engine.TextChunks(text, syntax));
    }

    static string What(List<PictureSet> todo, int index) =>
        $"{(todo[index].Wishes.Together ? "set" : "picture")} {index + 1} of {todo.Count}";

    /// <summary>A set's request, texts and photos encoded.</summary>
    JeDiRequest Request(OneSession sessions, PictureSet set, SetFiles? files, RunProgress progress, CancellationToken stop)
    {
        bool pads = set.Wishes.Fit == "pad";
        JeDiSession session = Session(sessions, set, progress);
        int chunks = Chunks(sessions.Engine, set.Wishes);
        JeDiRequest request = EngineRequests.Request(
            set.Wishes, images.Get, Latent, text => Encode(sessions.Engine, set.Wishes, chunks, text, progress, stop));
        return files is null ? request : request with
        {
            PreviewEvery = PreviewEvery,
            Preview = (_, pictures) => files.ShowPreviews(pictures),
        };

        float[] Latent(string path) => latents.Get($"{pads} {path}", () => session.Encode(images.Get(path), pads, stop));
    }

    /// <summary>What was wished is checked before; what is wrong now comes from the model.</summary>
    static void CheckDefaults(SampleSettings resolved, string model)
    {
        try
        {
            SampleChecks.Check(resolved);
        }
        catch (UsageException wrong)
        {
            throw new JeDiException($"{model}: the defaults in model_index.json: {wrong.Message}", wrong);
        }
    }

    /// <summary>How many layers there are to skip only the model knows.</summary>
    static void CheckLayers(SampleSettings resolved, int layers, string model)
    {
        if (resolved.ClipSkip > layers)
        {
            throw new UsageException($"--clip-skip {resolved.ClipSkip}: the text encoder of {model} has {layers} layers");
        }
    }

    void Explain(RunProgress progress, string line)
    {
        if (Verbose)
        {
            progress.Say(line);
        }
    }

    /// <summary>The session for a set.</summary>
    JeDiSession Session(OneSession sessions, PictureSet set, RunProgress progress)
    {
        SessionShape shape = Shape(sessions.Engine, set);
        return sessions.For(shape, plan =>
        {
            Explain(progress, $"{shape.Width} x {shape.Height}, text chunks: {shape.TextChunks}; {plan.Summary}, "
                + $"{plan.AvailableBytes >> 20} MB available");
        });
    }

    /// <summary>Names for a set's pictures; those that an interrupted run had planned stay.</summary>
    SetFiles Plan(PictureSet set)
    {
        int count = set.Wishes.Pictures;
        if (journal?.Planned(set.Key) is { } planned && planned.Count == count)
        {
            var files = new SetFiles(folder, planned, promised: true);
            files.RemoveOldPreviews();
            return files;
        }

        string[] names = [.. Enumerable.Range(0, count).Select(k => folder.NextPicture(set.Wishes.Seed!.Value + k))];
        journal?.Plan(set.Key, names);
        return new SetFiles(folder, names, promised: false);
    }

    Prompt Encode(
        JeDiEngine engine, SampleSettings wishes, int chunks, string text, RunProgress progress, CancellationToken stop)
    {
        PromptSyntax syntax = EngineRequests.Syntax(wishes);
        int skip = wishes.ClipSkip ?? 1;
        return prompts.Get($"{syntax} {skip} {chunks} {text}", () =>
        {
            IReadOnlyList<string> lost = syntax == PromptSyntax.Plain ? engine.WordsCut(text) : [];
            if (lost.Count > 0)
            {
                progress.Warn($"the prompt is longer than the model reads; lost is: {LostWords.Of(text, lost)}");
            }

            return engine.Encode(text, skip, syntax, chunks, stop);
        });
    }

    void Write(PictureSet set, SetFiles files, JeDiResult result, TimeSpan time, RunProgress progress)
    {
        SampleSettings wishes = set.Wishes;
        Dictionary<string, string> digestsOfSet =
            PictureSet.Files(wishes).Select(Path.GetFullPath).Distinct().ToDictionary(path => path, Digest);
        PixelImage[] photos = AttentionMap ? [.. wishes.Reference.Select(reference => Fitted(reference.File, wishes))] : [];
        string[] planned = [.. files.Names];
        for (int picture = 0; picture < planned.Length; picture++)
        {
            var parameters = new PictureParameters(wishes, picture, digestsOfSet);
            string path = files.Write(picture, result.Images[picture], parameters);
            if (AttentionMap)
            {
                PixelImage map = AttentionPicture.Of(photos, result.Images[picture], result.Correspondences[picture]);
                files.WriteBeside(picture, MapName, map, $"Where {files.Names[picture]} looks at its photos", parameters);
            }

            if (files.Names[picture] != planned[picture])
            {
                journal?.Plan(set.Key, files.Names);
            }

            Tell(path, parameters, time / planned.Length, progress);
        }

        if (Grid)
        {
            made[set.Key] = files;
        }
    }

    void Tell(string path, PictureParameters parameters, TimeSpan time, RunProgress progress)
    {
        if (Json)
        {
            terminal.Out.WriteLine(JsonLines.Line(new JsonObject
            {
                ["file"] = path,
                ["seed"] = parameters.Seed,
                ["seconds"] = Math.Round(time.TotalSeconds, 3),
                ["settings"] = parameters.Wishes.ToJson(),
            }));
            terminal.Out.Flush();
        }
        else if (!Quiet)
        {
            progress.Tell(path);
        }
    }

    /// <summary>Grids of requests all of whose pictures were made before: asked for now, or lost when the run was cut off.</summary>
    void DrawMissingGrids(IReadOnlyList<PictureSet> sets, List<PictureSet> todo)
    {
        HashSet<int> unfinished = [.. todo.Select(set => set.Request)];
        foreach (IGrouping<int, PictureSet> request in sets.Where(set => !unfinished.Contains(set.Request)).GroupBy(set => set.Request))
        {
            if (!folder.Has(OutputFolder.Beside(journal!.Planned(request.First().Key)![0], GridName)))
            {
                WriteGrid([.. request]);
            }
        }
    }

    void WriteGrid(IReadOnlyList<PictureSet> request)
    {
        SetFiles[] files = [.. request.Select(set => made.GetValueOrDefault(set.Key) ?? Plan(set))];
        made.Clear();
        string[] names = [.. files.SelectMany(set => set.Names)];
        PixelImage[] pictures = [.. names.Select(name => ImageReader.Read(folder.At(name)))];
        PictureParameters first = PngParameters.Read(folder.At(names[0]));
        files[0].WriteBeside(
            0,
            GridName,
            PixelImage.Grid(pictures),
            $"{names.Length} pictures side by side, from {names[0]} on",
            first with { Wishes = first.Wishes with { N = names.Length } });
    }

    /// <summary>A photo as the model sees it.</summary>
    PixelImage Fitted(string path, SampleSettings wishes) =>
        wishes.Fit == "pad"
            ? images.Get(path).Pad(wishes.Width!.Value, wishes.Height!.Value)
            : images.Get(path).Cover(wishes.Width!.Value, wishes.Height!.Value);

    string Digest(string path) => digests.Get(path, () => PictureParameters.Digest(path));
}
