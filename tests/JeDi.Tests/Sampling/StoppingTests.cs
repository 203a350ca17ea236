using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tensors.Decorators;

namespace JeDi.Tests.Sampling;

/// <summary>A step of many images takes long: it can end in its middle, and the run then goes on as if nothing had been.</summary>
public sealed class StoppingTests
{
    [Test]
    public void AStepEndsBeforeItsNextOperation()
    {
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
        using Device device = Targets.EveryLevel[0].Make();
        var counted = new CountedKernels(device.Kernels);
        var kernels = new StoppableKernels(counted);
        SamplerPlan plan = Sampler.Plan("ddim", NoiseSchedule.StableDiffusion, 2);
        var shape = new JointShape(1, 1, 1, 16, 16, GuidanceMode.Joint);
        using var pipeline = new JointPipeline(Networks.Load(device, model), new Arena(device), shape, plan, null, kernels);
        pipeline.Rehearse();
        float[] start = [.. Enumerable.Range(0, 16 * 16 * 4).Select(i => MathF.Sin(i))];
        float[] expected = Run();
        long used = pipeline.Arena.Used;
        long whole = Calls();

        pipeline.State.Observer = (_, layer, _, _, _, _) =>
        {
            if (layer == 3)
            {
                kernels.Stop();
            }
        };
        Assert.That(() => Run(), Throws.InstanceOf<OperationCanceledException>());
        long stopped = Calls();
        Assert.That(stopped, Is.InRange(1, whole / 2));
        Assert.That(() => Run(), Throws.InstanceOf<OperationCanceledException>(), "it stays so");
        Assert.That(Calls(), Is.Zero);
        Assert.That(pipeline.Arena.Used, Is.EqualTo(used), "all scopes are closed");

        pipeline.State.Observer = null;
        kernels.Resume();
        Assert.That(Run(), Is.EqualTo(expected));

        float[] Run()
        {
            device.Write<float>(pipeline.State.X, start);
            counted.Clear();
            pipeline.State.SeekTo(0);
            pipeline.Step();
            return pipeline.Latents();
        }

        long Calls() => counted.Calls;
    }
}
