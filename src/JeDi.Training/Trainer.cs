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
    readonly Device device;
    readonly TrainingOptions options;
    readonly Checkpoint model;
    readonly Course course;
    readonly Optimiser optimiser;
    readonly CheckpointStore store;
    long updates;

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
        TrainingState? state = resume ? store.ReadNewest(report) : null;
        if (resume && state is null)
        {
            throw new TrainingException($"{options.Out}: no whole checkpoint to resume from");
        }

        if (!resume && store.All.Count > 0)
        {
            throw new TrainingException($"{options.Out}: holds a run already; go on with --resume, or name another folder with --out");
        }

        model = BaseModel.Open(options, sources, report);
        try
        {
            CheckMemory(device, model, options, sources);
            course = Begin(device, model, options, sources, report);
            optimiser = new Optimiser(device, course.Parameters);
            if (state is not null)
            {
                Restore(state);
            }
        }
        catch
        {
            optimiser?.Dispose();
            course?.Dispose();
            model.Dispose();
            throw;
        }
    }

    /// <summary>Steps that are done.</summary>
    public long Step { get; private set; }

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
        TrainingState state = new CheckpointStore(folder, 1).ReadNewest(_ => { })
            ?? throw new TrainingException($"{folder}: no whole checkpoint to resume from");
        return new TrainingOptions().With(state.Settings, folder);
    }

    /// <summary>Computes one step.</summary>
    /// <exception cref="TrainingException">The loss or its gradient is not finite: nothing was changed.</exception>
    public StepResult Advance(CancellationToken stop = default)
    {
        double loss = 0;
        var files = new List<string>();
        for (int part = 0; part < options.Accumulate; part++)
        {
            if (stop.IsCancellationRequested)
            {
                device.Fill(course.Parameters.Gradients, 0);
                stop.ThrowIfCancellationRequested();
            }

            loss += course.Run(Step, part);
            files.AddRange(course.Files);
        }

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
    /// <returns>Its folder; the model in it, <c>model</c>, has the averaged weights.</returns>
    /// <exception cref="Files.FileException">It cannot be written; those before it are whole.</exception>
    public string Save()
    {
        float[] average = device.ToArray(optimiser.Average);
        var numbers = new Dictionary<string, float[]>
        {
            ["values"] = device.ToArray(course.Parameters.Values),
            ["first"] = device.ToArray(optimiser.First),
            ["second"] = device.ToArray(optimiser.Second),
            ["average"] = average,
        };
        return store.Write(
            new TrainingState(Step, updates, options.ToJson(), Description(), numbers),
            folder => WriteModel(folder, average));
    }

    /// <summary>Gives all memory back.</summary>
    public void Dispose()
    {
        optimiser.Dispose();
        course.Dispose();
        model.Dispose();
    }

    static Course Begin(Device device, Checkpoint model, TrainingOptions options, TrainingSources sources, Action<string> report) =>
        options.Trains("vae")
            ? new VaeCourse(device, model, options, sources, report)
            : new UNetCourse(device, model, options, sources, report);

    /// <summary>A rehearsal on a device without numbers tells what the step takes, before anything is loaded.</summary>
    static void CheckMemory(Device device, Checkpoint model, TrainingOptions options, TrainingSources sources)
    {
        using var plan = new PlanDevice(device);
        using Course rehearsal = Begin(plan, model, options, sources, _ => { });
        rehearsal.Record();
        long learned = rehearsal.Parameters.Values.Count;
        long needed = rehearsal.StepBytes + plan.WeightBytes + plan.PreparedBytes + 2 * learned * sizeof(float)
            + Optimiser.BytesFor(learned);
        if (needed > device.AvailableBytes)
        {
            throw new TrainingException($"this training needs {needed >> 20} MB, {device.AvailableBytes >> 20} MB are available; try fewer "
                + "--images with more --accumulate, --checkpointing, --train attention, or a smaller --size");
        }
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

    void Restore(TrainingState state)
    {
        if (state.Parameters != Description())
        {
            throw new TrainingException($"{options.Out}: the checkpoint has other weights than the model that is to go on; resume with the "
                + "--from and --train that it was begun with");
        }

        device.Write<float>(course.Parameters.Values, state.Numbers["values"]);
        device.Write<float>(optimiser.First, state.Numbers["first"]);
        device.Write<float>(optimiser.Second, state.Numbers["second"]);
        device.Write<float>(optimiser.Average, state.Numbers["average"]);
        course.Parameters.Rebuild();
        (Step, updates) = (state.Step, state.Updates);
    }

    void WriteModel(string folder, float[] average)
    {
        using Checkpoint trained = Checkpoint.Of(
            model.Origin,
            course.Configs(model.Configs),
            component =>
            {
                IWeightSource source = model.Source(component);
                foreach ((Component Component, IReadOnlyList<Parameter> Parameters) part in course.Trained)
                {
                    source = part.Component == component
                        ? new TrainedSource(source, part.Parameters, course.Parameters, average)
                        : source;
                }

                return source;
            },
            model.TokenizerFolder);
        CheckpointWriter.Write(trained, folder, new ConvertOptions { Type = DType.F16 });
    }
}
