using JeDi.Cpu;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tensors.Decorators;

namespace JeDi.Tests.Sampling;

/// <summary>What depends on the texts alone is computed when they are written, never in a step.</summary>
public sealed class TextOnceTests
{
    const int Tokens = 77;

    [Test]
    public void KeysAndValuesOfTextsAreComputedOncePerRequest([Values] GuidanceMode mode)
    {
        using var device = new CpuDevice(threads: 2);
        UNet network = JointRun.Tiny(device);
        var seen = new GemmRows(device.Kernels);
        var shape = new JointShape(Sets: 1, References: 2, Targets: 1, Height: 8, Width: 16, mode);
        SamplerPlan plan = Sampler.Plan("ddim", NoiseSchedule.StableDiffusion, 2);
        using var run = new JointRun(device, network, shape, plan, seen);

        // No other product has a multiple of 77 rows: an image has a power of two of locations, the batch under 77 images.
        int texts = shape.Texts(network.Config).Count();
        seen.Rows.Clear();
        run.State.Write(run.Inputs());
        IEnumerable<long> keysAndValues = Enumerable.Repeat((long)texts * Tokens, 2 * network.AttentionLayers);
        Assert.That(seen.Rows, Is.EqualTo(keysAndValues), "one each in every layer");
        seen.Rows.Clear();
        run.Step(0);
        run.Step(1);
        Assert.That(seen.Rows, Is.Not.Empty.And.None.Matches<long>(rows => rows % Tokens == 0));
    }

    /// <summary>The references of a set share the null text, its targets the negative one; other conditions have one per image.</summary>
    [TestCase(GuidanceMode.Joint, 2 + 3)]
    [TestCase(GuidanceMode.TextOnly, 2 + 3)]
    [TestCase(GuidanceMode.TextFirst, 2 + 3 + 3)]
    [TestCase(GuidanceMode.ImageFirst, 2 + 2 + 3)]
    public void NullTextStandsInTheBatchOncePerSet(GuidanceMode mode, int texts)
    {
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
        var shape = new JointShape(Sets: 1, References: 2, Targets: 1, Height: 8, Width: 16, mode);
        Assert.That(shape.Texts(model.UNet).Count(), Is.EqualTo(texts));
    }

    /// <summary>Rows of the left operand of every matrix product, in order.</summary>
    sealed class GemmRows(Kernels inner) : ObservedKernels(inner)
    {
        public List<long> Rows { get; } = [];

        protected override long Enter(string op) => 0;

        protected override void Leave(string op, long entered, Tensor result, Tensor input)
        {
            if (op == nameof(Gemm))
            {
                Rows.Add(input.Shape.RowCount);
            }
        }
    }
}
