using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>
/// One evaluation of a joint run (section 3.3 of the paper): the replacement trick, the network under all conditions in one batch,
/// guidance, the sampler's update. It allocates nothing, and all that changes from evaluation to evaluation is read from device
/// memory, so it can be recorded.
/// </summary>
public sealed class JointStep
{
    readonly Ops ops;
    readonly UNet network;
    readonly JointState state;
    readonly JointShape shape;
    readonly Tensor[] predictions;

    /// <summary>A step in the memory of a state.</summary>
    public JointStep(Ops ops, UNet network, JointState state)
    {
        this.ops = ops;
        this.network = network;
        this.state = state;
        shape = state.Shape;
        predictions = [.. state.Conditions.Select((_, c) => state.Predicted.Rows(c * shape.AllTargets, shape.AllTargets))];
    }

    /// <summary>Computes an evaluation and moves on to the next.</summary>
    public void Run()
    {
        state.Row.Select(ops, state.Evaluation);
        state.KeyBias.Select(ops, state.Evaluation);
        Replace();
        Predict();
        Guide();
        Update();
        KeepKnown();
        Advance();
    }

    /// <summary>The replacement trick: references at the noise level of this evaluation, in front of the targets of their set.</summary>
    void Replace()
    {
        if (shape.FreshReferenceNoise && shape.References > 0)
        {
            ops.Embed(state.ReferenceNoises, state.Evaluation, into: Entry(state.ReferenceNoise));
        }

        for (int set = 0; set < shape.Sets; set++)
        {
            int first = set * shape.SetImages;
            if (shape.References > 0)
            {
                Tensor clean = state.Clean.Rows(first, shape.References);
                Tensor noise = state.ReferenceNoise.Rows(set * shape.References, shape.References);
                ops.Combine(state.Noisy.Rows(first, shape.References), state.Row.Level, clean, noise);
            }

            ops.Copy(state.Noisy.Rows(first + shape.References, shape.Targets), state.X.Rows(set * shape.Targets, shape.Targets));
        }
    }

    void Predict()
    {
        for (int c = 0; c < predictions.Length; c++)
        {
            Tensor part = state.Packed.Rows(c * shape.Images, shape.Images);
            ops.PackInput(state.Noisy, state.Clean, state.Masks[c], state.Row.InputScale, network.Config.InputLayout, into: part);
        }

        Tensor timesteps = state.Row.Timesteps.Rows(0, state.Packed.Shape[0]);
        network.Run(
            ops, state.Packed, timesteps, state.TextKeys, state.Batch, into: state.Predicted, deep: state.Deep, reuse: shape.ReusesDeep);
    }

    void Guide()
    {
        Tensor guided = state.States[SamplerPlan.Prediction];
        ops.Combine(guided, state.GuidanceScales, predictions);
        if (shape.Rescale)
        {
            ops.Rescale(guided, predictions[^1], state.Amount, into: guided);
        }
    }

    void Update()
    {
        if (state.StepNoises.Exists)
        {
            Tensor noise = state.States[SamplerPlan.Noise];
            ops.Embed(state.DrawOfEvaluation, state.Evaluation, into: state.Draw);
            ops.Embed(state.StepNoises, state.Draw.Reshape([1]), into: Entry(noise));
        }

        for (int j = 0; j < state.Plan.Targets.Count; j++)
        {
            ops.Combine(state.States[state.Plan.Targets[j]], state.Row.Coefficients[j], state.States);
        }
    }

    /// <summary>Latents as the one entry of a table of them.</summary>
    static Tensor Entry(Tensor latents) =>
        latents.Reshape([1, latents.Shape[0], latents.Shape[1], latents.Shape[2], latents.Shape[3]]);

    /// <summary>Inpainting: outside the mask the given image, at the noise level that comes next.</summary>
    void KeepKnown()
    {
        if (shape.Inpaint)
        {
            ops.Combine(state.Known, state.Row.NextLevel, state.Image, state.InitialNoise);
            ops.Blend(state.InpaintMask, state.X, state.Known, into: state.X);
        }
    }

    /// <summary>The next run computes the next evaluation: nothing comes from the host between two steps.</summary>
    void Advance()
    {
        ops.Embed(state.FollowingOf, state.Evaluation, into: state.Following);
        ops.Copy(state.Evaluation, state.Following);
    }
}
