using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tensors.Planning;

namespace JeDi.Training;

/// <summary>What a run takes, known before anything is loaded: a rehearsal on a device without numbers counts it.</summary>
public sealed record TrainingMemory
{
    /// <summary>The runtime with its compiled code, buffers for files and what its collector has not taken yet.</summary>
    const long RuntimeBytes = 220L << 20;

    /// <summary>Weights as kernels read them, trained or not.</summary>
    public long WeightBytes { get; init; }

    /// <summary>Values, gradients, moments and averages of what learns.</summary>
    public long LearningBytes { get; init; }

    /// <summary>Activations and their gradients, encoding, judging, latents and texts that are kept.</summary>
    public long StepBytes { get; init; }

    /// <summary>Scratch memory of the kernels, forwards and back.</summary>
    public long ScratchBytes { get; init; }

    public long Needed => WeightBytes + LearningBytes + StepBytes + ScratchBytes + RuntimeBytes;

    internal static TrainingMemory Of(Device device, Checkpoint model, TrainingOptions options, TrainingSources sources)
    {
        using var plan = new PlanDevice(device);
        using Course rehearsal = Trainer.Begin(plan, model, options, sources, _ => { });
        rehearsal.Rehearse();
        long learned = rehearsal.Parameters.Values.Count;
        long adapters = rehearsal.Lora?.Parameters.Sum(one => device.ParameterBytes(one.Kind, one.Shape, one.Stored)) ?? 0;
        return new TrainingMemory
        {
            WeightBytes = plan.WeightBytes + plan.PreparedBytes + adapters,
            LearningBytes = 2 * learned * sizeof(float) + Optimiser.BytesFor(learned),
            StepBytes = rehearsal.Bytes,
            ScratchBytes = plan.ScratchPeak + plan.GradientScratchPeak,
        };
    }

    internal string Refusal(long available)
    {
        string help = LearningBytes > available / 2 ? "--train lora, or --train attention"
            : "--checkpointing, fewer --images with more --accumulate, a smaller --size, or --train lora";
        return $"this training needs {Needed >> 20} MB ({LearningBytes >> 20} for what learns with its gradients and moments, "
            + $"{WeightBytes >> 20} for weights, {(StepBytes + ScratchBytes) >> 20} for a step), {available >> 20} MB are available; "
            + $"try {help}";
    }
}
