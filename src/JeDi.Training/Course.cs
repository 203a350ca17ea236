using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>What is learned and from what: networks, a recorded step, and the numbers that go into it.</summary>
abstract class Course(Device device) : IDisposable
{
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
    public abstract double Run(long step, int part, CancellationToken stop);

    /// <summary>Mean loss on the held-out source, at numbers that are always the same; null without one.</summary>
    public abstract double? Validate();

    /// <summary>Config files as they are to stand beside the weights.</summary>
    public virtual IReadOnlyDictionary<string, string> Configs(IReadOnlyDictionary<string, string> configs) => configs;

    public abstract void Dispose();

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
