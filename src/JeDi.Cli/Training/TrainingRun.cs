using System.Diagnostics;
using JeDi.Tensors;
using JeDi.Training;

namespace JeDi.Cli.Training;

/// <summary>Drives a trainer: progress, the loss curve, validation, checkpoints and previews; a signal saves and ends.</summary>
sealed class TrainingRun(Terminal terminal, Device device, TrainingOptions options, bool resume)
{
    static readonly TimeSpan lineEvery = TimeSpan.FromSeconds(10);

    public void Run(CancellationToken stop)
    {
        using var trainer = new Trainer(device, options, resume, line => terminal.Error.WriteLine(line), NamedSets.Open);
        terminal.Error.WriteLine($"{string.Join(" and ", options.Train)} on {device.Name}: {trainer.ParameterCount:#,0} weights, "
            + $"{trainer.ImagesPerStep} pictures a step, step {trainer.Step} of {options.Steps}, "
            + $"{trainer.Memory.Needed >> 20} MB planned");
        if (trainer.Step >= options.Steps)
        {
            terminal.Error.WriteLine($"all {options.Steps} steps are done; go on with more --steps");
            return;
        }

        var curve = new LossCurve(options.Out, trainer.Step);
        var clock = Stopwatch.StartNew();
        long first = trainer.Step;
        TimeSpan told = TimeSpan.Zero;
        double mean = 0;
        int count = 0;
        LastResort.Held = true;
        try
        {
            while (trainer.Step < options.Steps)
            {
                stop.ThrowIfCancellationRequested();
                StepResult result = trainer.Advance(stop);
                double? held = result.Step % options.ValidateEvery == 0 ? trainer.Validate() : null;
                curve.Add(result, held);
                if (result.GradientNorm == 0 && result.Step == first + 1)
                {
                    terminal.Error.WriteLine($"the gradient is 0: {string.Join(" and ", options.Train)} change nothing yet in a model "
                        + "whose U-Net has learned nothing; --train unet first");
                }

                mean += result.Loss;
                count++;
                if (clock.Elapsed - told > lineEvery || result.Step == options.Steps || held is not null)
                {
                    told = clock.Elapsed;
                    Tell(result, mean / count, held, (result.Step - first) / clock.Elapsed.TotalSeconds, trainer.ImagesPerStep);
                    (mean, count) = (0, 0);
                }

                if (result.Step % options.SaveEvery == 0 || result.Step == options.Steps)
                {
                    Save(trainer, curve, result.Step);
                }
            }
        }
        catch (OperationCanceledException)
        {
            if (trainer.Step > first)
            {
                Save(trainer, curve, trainer.Step);
            }

            throw;
        }
        finally
        {
            // A batch that is still being read, maybe from a pipe that nobody writes, is nobody's any more.
            LastResort.Held = false;
        }

        if (trainer.Skipped > 0)
        {
            terminal.Error.WriteLine($"{trainer.Skipped} samples could not be read");
        }
    }

    void Save(Trainer trainer, LossCurve curve, long step)
    {
        string folder = trainer.Save();
        curve.Save();
        terminal.Out.WriteLine(folder);
        if (options.PreviewEvery > 0 && (step % options.PreviewEvery == 0 || step == options.Steps))
        {
            Preview.Write(trainer.BasePath, folder, Path.Combine(options.Out, $"preview-{step:00000000}.png"), options, terminal);
        }
    }

    void Tell(StepResult result, double mean, double? held, double stepsPerSecond, int images)
    {
        TimeSpan left = TimeSpan.FromSeconds((options.Steps - result.Step) / stepsPerSecond);
        terminal.Error.WriteLine(FormattableString.Invariant(
            $"step {result.Step} of {options.Steps}: loss {mean:0.0000}{(held is double loss ? $", held out {loss:0.0000}" : "")}, ")
            + FormattableString.Invariant($"gradient {result.GradientNorm:0.000}, rate {result.Rate:0.0e+0}, ")
            + FormattableString.Invariant($"{stepsPerSecond * images:0.0} pictures/s, {(int)left.TotalHours}:{left:mm\\:ss} left"));
    }
}
