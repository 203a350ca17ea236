using JeDi.Files.Sets;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tensors.Planning;

namespace JeDi.Training;

/// <summary>A step that was done.</summary>
/// <param name="Step">Its number, from 1.</param>
/// <param name="Loss">Mean over the step's images, weighted as the options say.</param>
/// <param name="GradientNorm">Length of the gradient before it was clipped.</param>
/// <param name="Rate">Learning rate.</param>
public sealed record StepResult(long Step, double Loss, double GradientNorm, double Rate);

/// <summary>
/// A training run that an application drives step by step. Its next step follows from the options and from what
/// <see cref="Save"/> writes: a run that is resumed gives the bits of one that was never stopped.
/// </summary>
public sealed class Trainer : IDisposable
{
    /// <summary>Of a checkpoint: the averaged model.</summary>
    public const string ModelFolder = "model";

    /// <summary>Of a checkpoint, where low-rank changes learn: their averages.</summary>
    public const string LoraFile = "lora.safetensors";

    // Moments of a run that starts without them: gradients of so many steps, of which the first moment remembers ten.
    const int WarmingSteps = 20;

    readonly Device device;
    readonly TrainingOptions options;
    readonly BaseModel from;
    readonly Course course;
    readonly Optimiser optimiser;
    readonly CheckpointStore store;
    long updates;
    bool cold;

    /// <param name="device">Where to compute; stays the caller's.</param>
    /// <param name="options">What to do.</param>
    /// <param name="resume">Go on from the newest whole checkpoint of the options' folder.</param>
    /// <param name="report">Told in a line what is worth knowing.</param>
    /// <param name="open">
    /// Makes a source of a name of the options; the flag says that it is for judging. Null: folders of sets.
    /// </param>
    /// <exception cref="TrainingException">It cannot begin: says why and what to do.</exception>
    public Trainer(
        Device device,
        TrainingOptions options,
        bool resume = false,
        Action<string>? report = null,
        Func<string, bool, ISetSource>? open = null)
    {
        options.Check();
        report ??= _ => { };
        TrainingSources sources = TrainingSources.Open(options, open ?? ((folder, _) => FolderSets.Open(folder)));
        this.device = device;
        this.options = options;
        store = new CheckpointStore(options.Out, options.Keep);
        (string Path, TrainingState State)? start = resume ? store.ReadNewest(report) : null;
        if (resume && start is null)
        {
            throw new TrainingException($"{options.Out}: no whole checkpoint to resume from");
        }

        if (!resume && store.All.Count > 0)
        {
            throw new TrainingException($"{options.Out}: holds a run already; go on with --resume, or name another folder with --out");
        }

        from = new BaseModel(options, sources, resume, report);
        try
        {
            Memory = TrainingMemory.Of(device, from.Model, options, sources);
            if (Memory.Needed > device.AvailableBytes)
            {
                throw new TrainingException(Memory.Refusal(device.AvailableBytes));
            }

            from.Keep();
            course = Begin(device, from.Model, options, sources, report);
            optimiser = new Optimiser(device, course.Parameters);
            if (start is (string path, TrainingState state))
            {
                Restore(path, state);
            }
        }
        catch
        {
            optimiser?.Dispose();
            course?.Dispose();
            from.Dispose();
            throw;
        }
    }

    /// <summary>Steps that are done.</summary>
    public long Step { get; private set; }

    /// <summary>What the run takes.</summary>
    public TrainingMemory Memory { get; }

    /// <summary>The model that the run started from: the options', or the one made in the run's folder.</summary>
    public string BasePath => from.Location;

    /// <summary>Weights that learn.</summary>
    public long ParameterCount => course.Parameters.Parameters.Sum(parameter => parameter.Shape.Count);

    /// <summary>Pictures that a step sees.</summary>
    public int ImagesPerStep => options.Images * options.Accumulate;

    /// <summary>Samples that could not be read and were left out.</summary>
    public int Skipped => course.Skipped;

    /// <summary>The options of the newest whole checkpoint in a folder.</summary>
    /// <exception cref="TrainingException">There is none.</exception>
    public static TrainingOptions OptionsOf(string folder)
    {
        TrainingState state = Newest(folder).State;
        return new TrainingOptions().With(state.Settings, folder);
    }

    /// <summary>
    /// Writes the newest whole checkpoint of a run in its small form: a folder that holds the averaged model in <c>base</c> (or the changes
    /// of a LoRA) and, F16, values and averages. A run that is resumed there collects moments for some steps before its first one.
    /// </summary>
    /// <exception cref="TrainingException">There is no checkpoint.</exception>
    /// <exception cref="Files.FileException">It cannot be written; nothing is left.</exception>
    public static void Export(string folder, string to)
    {
        (string path, TrainingState state) = Newest(folder);
        SmallForm.Write(path, state, to);
    }

    /// <summary>Computes one step.</summary>
    /// <exception cref="TrainingException">The loss or its gradient is not finite: nothing was changed.</exception>
    public StepResult Advance(CancellationToken stop = default)
    {
        while (cold)
        {
            Warm(stop);
        }

        (double loss, List<string> files) = AddGradients(Step, stop);
        float norm = optimiser.Measure(options.Clip);
        if (!double.IsFinite(loss) || !float.IsFinite(norm))
        {
            device.Fill(course.Parameters.Gradients, 0);
            throw new TrainingException($"step {Step + 1}: the loss is {loss} and its gradient {norm}, which is not finite; try a lower "
                + $"--rate, more --warm-up or a smaller --clip, or look at {string.Join(", ", files.Distinct())}");
        }

        double rate = RateAt(Step);
        optimiser.Update(++updates, rate, options.Beta1, options.Beta2, options.Eps, options.Decay, EmaAt(Step));
        Step++;
        return new StepResult(Step, loss, norm, rate);
    }

    /// <summary>Loss on the held-out source at fixed noise and timesteps; null without one.</summary>
    public double? Validate() => course.Validate();

    /// <summary>Writes a checkpoint.</summary>
    /// <returns>Its folder: with the averaged weights as a <c>model</c>, or the averaged changes as <c>lora.safetensors</c>.</returns>
    /// <exception cref="Files.FileException">It cannot be written; those before it are whole.</exception>
    public string Save() =>
        store.Write(new TrainingState(Step, updates, options.ToJson(), Description()), Numbers(), WriteResult);

    /// <summary>Gives all memory back.</summary>
    public void Dispose()
    {
        optimiser.Dispose();
        course.Dispose();
        from.Dispose();
    }

    internal static Course Begin(
        Device device, Checkpoint model, TrainingOptions options, TrainingSources sources, Action<string> report) =>
        options.Trains("vae")
            ? new VaeCourse(device, model, options, sources, report)
            : new UNetCourse(device, model, options, sources, report);

    static (string Path, TrainingState State) Newest(string folder) => new CheckpointStore(folder, 1).ReadNewest(_ => { })
        ?? throw new TrainingException($"{folder}: no whole checkpoint to resume from");

    /// <summary>Loss and gradients of the batches of a step.</summary>
    (double Loss, List<string> Files) AddGradients(long step, CancellationToken stop)
    {
        double loss = 0;
        var files = new List<string>();
        for (int part = 0; part < options.Accumulate; part++)
        {
            try
            {
                stop.ThrowIfCancellationRequested();
                loss += course.Run(step, part, stop);
            }
            catch (OperationCanceledException)
            {
                device.Fill(course.Parameters.Gradients, 0);
                throw;
            }

            files.AddRange(course.Files);
        }

        return (loss, files);
    }

    /// <summary>One step of a start without moments: gradients of the batches before make them, and change nothing else.</summary>
    void Warm(CancellationToken stop)
    {
        AddGradients(Step - WarmingSteps + updates, stop);
        optimiser.Measure(options.Clip);
        optimiser.Update(++updates, rate: 0, options.Beta1, options.Beta2, options.Eps, decay: 0, ema: 1);
        cold = updates < WarmingSteps;
    }

    double RateAt(long step)
    {
        double rise = options.WarmUp == 0 ? 1 : Math.Min(1, (step + 1.0) / options.WarmUp);
        double fall = options.Schedule == "cosine" ? 0.5 + 0.5 * Math.Cos(Math.PI * Math.Min(1, (double)step / options.Steps)) : 1;
        return options.Rate * rise * fall;
    }

    /// <summary>At the start an average over few steps, so that it forgets where it began.</summary>
    double EmaAt(long step) => Math.Min(options.Ema, (1.0 + step) / (10.0 + step));

    /// <summary>Names and shapes of what learns.</summary>
    string Description() => string.Join(
        '\n', course.Trained.SelectMany(part => part.Parameters.Select(one => $"{part.Component} {one.Name} {one.Shape}")));

    Dictionary<string, Tensor> Numbers() => new()
    {
        ["values"] = course.Parameters.Values,
        ["first"] = optimiser.First,
        ["second"] = optimiser.Second,
        ["average"] = optimiser.Average,
    };

    void Restore(string path, TrainingState state)
    {
        if (state.Parameters != Description())
        {
            throw new TrainingException($"{options.Out}: the checkpoint has other weights than the model that is to go on; resume with the "
                + "--from and --train that it was begun with");
        }

        cold = !CheckpointStore.Fill(path, Numbers()).Contains("first");
        course.Parameters.Rebuild();
        (Step, updates) = (state.Step, state.Updates);
    }

    void WriteResult(string folder)
    {
        if (course.Lora is LoraLayers lora)
        {
            lora.Write(Path.Combine(folder, LoraFile), course.Parameters, optimiser.Average);
            return;
        }

        using Checkpoint trained = Checkpoint.Of(
            from.Model.Origin,
            course.Configs(from.Model.Configs),
            component =>
            {
                IWeightSource source = from.Model.Source(component);
                foreach ((Component Component, IReadOnlyList<Parameter> Parameters) part in course.Trained)
                {
                    source = part.Component == component
                        ? new TrainedSource(source, part.Parameters, course.Parameters, optimiser.Average)
                        : source;
                }

                return source;
            },
            options.Tokenizer ?? from.Model.TokenizerFolder);
        CheckpointWriter.Write(trained, Path.Combine(folder, ModelFolder), new ConvertOptions { Type = DType.F16 });
    }
}
