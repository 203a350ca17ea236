using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>What is learned and from what: networks, a recorded step, and the numbers that go into it.</summary>
abstract class Course(Device device, TrainingOptions options) : IDisposable
{
    Tape? tape;
    Tensor[] losses = [];

    public Device Device { get; } = device;

    /// <summary>What learns, with gradients.</summary>
    public abstract FlatParameters Parameters { get; }

    /// <summary>The same by component.</summary>
    public abstract IReadOnlyList<(Component Component, IReadOnlyList<Parameter> Parameters)> Trained { get; }

    /// <summary>The low-rank changes that learn, where the weights stay as they are.</summary>
    public virtual LoraLayers? Lora => null;

    /// <summary>Where the last batch came from.</summary>
    public IReadOnlyList<string> Files { get; protected set; } = [];

    /// <summary>Samples that could not be read.</summary>
    public abstract int Skipped { get; }

    /// <summary>
    /// Bytes for activations and their gradients, for reading, encoding and judging, and for what is kept; weights, their gradients
    /// and moments not included.
    /// </summary>
    public abstract long Bytes { get; }

    /// <summary>Runs whatever a run will run, on numbers that do not matter, so that <see cref="Bytes"/> is known.</summary>
    public abstract void Rehearse();

    /// <summary>Batch <paramref name="part"/> of a step: its part of the step's mean loss. Gradients are added.</summary>
    public double Run(long step, int part, CancellationToken stop)
    {
        Take(step, part, stop);
        if (tape is null)
        {
            Record();
        }
        else
        {
            tape.Replay();
        }

        return losses.Sum(Sum);
    }

    /// <summary>Mean loss on the held-out source, at numbers that are always the same; null without one.</summary>
    public abstract double? Validate();

    /// <summary>Config files as they are to stand beside the weights.</summary>
    public virtual IReadOnlyDictionary<string, string> Configs(IReadOnlyDictionary<string, string> configs) => configs;

    public virtual void Dispose()
    {
        tape?.Release();
        Arena.Release();
    }

    /// <summary>Of the recorded step and the numbers that go into it.</summary>
    protected Arena Arena { get; } = new(device);

    /// <summary>What the recorded step takes.</summary>
    protected long RecordedBytes => Arena.Capacity + (tape?.GradientBytes ?? 0);

    /// <summary>Brings a batch to where the recorded step reads it.</summary>
    protected abstract void Take(long step, int part, CancellationToken stop);

    /// <summary>Computes what learning makes smaller, from the batch that was brought: each a loss per image.</summary>
    protected abstract Tensor[] Losses(Ops ops);

    /// <summary>Runs a step for the first time, and keeps its calls.</summary>
    protected void Record()
    {
        tape = new Tape(Device, Parameters.Parameters);
        losses = Losses(new Ops(Device, Arena, tape: tape) { Checkpoints = options.Checkpointing });
        tape.Backward();
        Arena.Hold();
    }

    /// <summary>Sum of a loss per image.</summary>
    protected static double Sum(Tensor loss)
    {
        double sum = 0;
        foreach (float value in loss.Device.ToArray(loss))
        {
            sum += value;
        }

        return sum;
    }
}
