using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

/// <summary>
/// Moments taken apart, the draw and the divergence against their formulas in double precision; gradients by the derivatives of these.
/// </summary>
public sealed class GaussianLatentTests
{
    // A few roundings of single precision, at the scale of the result.
    const double FewRoundings = 5e-7;

    /// <summary>Each part alone, both, assigned and added; beyond the bounds of the log-variance nothing goes back.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void PartsOfMomentsGoBackToTheirPlaces(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach ((int pixels, int channels) in new[] { (1, 1), (17, 3), (2100, 4) })
        {
            float[] moments = [.. Plain.Random(pixels * 2 * channels, 1).Select(value => 50 * value)];
            float[] dmean = Plain.Random(pixels * channels, 2);
            float[] dlogVariance = Plain.Random(pixels * channels, 3);
            foreach ((bool mean, bool variance, bool add) in new[]
            {
                (true, true, false), (true, false, false), (false, true, false), (true, true, true), (false, true, true),
            })
            {
                var arena = new Arena(device);
                var ops = new Ops(device, arena);
                Tensor dmoments = GradientRun.Filled(ops, [pixels, 2 * channels], add ? 1 : float.NaN);
                device.Gradients.SplitMoments(
                    dmoments,
                    mean ? ops.From<float>([pixels, channels], dmean) : default,
                    variance ? ops.From<float>([pixels, channels], dlogVariance) : default,
                    ops.From<float>(dmoments.Shape, moments),
                    add);
                Assert.That(device.ToArray(dmoments), Is.EqualTo(moments.Select((v, i) =>
                {
                    int at = i / (2 * channels) * channels + i % channels;
                    bool first = i % (2 * channels) < channels;
                    float d = first ? (mean ? dmean[at] : 0) : variance && v is >= -30 and <= 20 ? dlogVariance[at] : 0;
                    return add ? 1 + d : d;
                })));
                arena.Release();
            }
        }
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void TheDrawFollowsItsFormula(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach (int count in new[] { 1, 37, 40009 })
        {
            (float[] mean, float[] v, float[] noise) = (Plain.Random(count, 1), LogVariances(count), Plain.Random(count, 3));
            float[] dz = Plain.Random(count, 4);
            var arena = new Arena(device);
            var ops = new Ops(device, arena);
            (Tensor means, Tensor logVariances) = (ops.From<float>([count], mean), ops.From<float>([count], v));
            Tensor noises = ops.From<float>([count], noise);
            double[] z = [.. mean.Select((m, i) => m + Math.Exp(v[i] / 2.0) * noise[i])];
            Close.Within(device.ToArray(ops.SampleGaussian(means, logVariances, noises)), z, FewRoundings, "z");

            double[] slopes = [.. dz.Select((d, i) => (double)d * noise[i] * Math.Exp(v[i] / 2.0) / 2)];
            foreach (bool add in new[] { false, true })
            {
                float before = add ? 0.25f : 0;
                Tensor dmean = GradientRun.Filled(ops, [count], add ? before : float.NaN);
                Tensor dlogVariance = GradientRun.Filled(ops, [count], add ? before : float.NaN);
                device.Gradients.SampleGaussianBackward(
                    dmean, dlogVariance, ops.From<float>([count], dz), logVariances, noises, add);
                Assert.That(device.ToArray(dmean), Is.EqualTo(dz.Select(d => before + d)), "dmean");
                Close.Within(device.ToArray(dlogVariance), [.. slopes.Select(slope => before + slope)], FewRoundings, "dlogVariance");
            }

            arena.Release();
        }
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void TheDivergenceFollowsItsFormula(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        float[] weight = [0.5f, 3, 0];
        foreach (int each in new[] { 1, 37, 5000 })
        {
            (float[] mean, float[] v) = (Plain.Random(3 * each, 1), LogVariances(3 * each));
            var arena = new Arena(device);
            var ops = new Ops(device, arena);
            (Tensor means, Tensor logVariances) = (ops.From<float>([3, each], mean), ops.From<float>([3, each], v));
            Tensor weights = ops.From<float>([3], weight);
            double[] losses = [.. weight.Select((w, image) => w / 2.0 * Enumerable.Range(image * each, each)
                .Sum(i => (double)mean[i] * mean[i] + Math.Exp(v[i]) - 1 - v[i]))];
            Close.Within(device.ToArray(ops.Divergence(means, logVariances, weights)), losses, FewRoundings, "loss");

            Tensor loss = ops.New([3]);
            foreach (bool add in new[] { false, true })
            {
                double before = add ? 0.25 : 0;
                Tensor dmean = GradientRun.Filled(ops, means.Shape, add ? 0.25f : float.NaN);
                Tensor dlogVariance = GradientRun.Filled(ops, means.Shape, add ? 0.25f : float.NaN);
                device.Gradients.Divergence(loss, dmean, dlogVariance, means, logVariances, weights, add);
                Close.Within(device.ToArray(loss), losses, FewRoundings, "loss with gradients");
                Close.Within(
                    device.ToArray(dmean), [.. mean.Select((m, i) => before + (double)weight[i / each] * m)], FewRoundings, "dmean");
                Close.Within(
                    device.ToArray(dlogVariance),
                    [.. v.Select((value, i) => before + weight[i / each] * (Math.Exp(value) - 1) / 2)],
                    FewRoundings,
                    "dlogVariance");
            }

            arena.Release();
        }
    }

    /// <summary>A single image of a batch keeps its bits: each is summed alone.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void TheDivergenceOfAnImageDoesNotDependOnTheBatch(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        float[] mean = Plain.Random(3 * 1000, 1);
        float[] v = LogVariances(3 * 1000);
        float[] together = OpRun.Run(device, ops => ops.Divergence(
            ops.From<float>([3, 1000], mean), ops.From<float>([3, 1000], v), ops.From<float>([3], [1, 1, 1])));
        float[] alone = [.. Enumerable.Range(0, 3).Select(image => OpRun.Run(device, ops => ops.Divergence(
            ops.From<float>([1, 1000], mean[(image * 1000)..((image + 1) * 1000)]),
            ops.From<float>([1, 1000], v[(image * 1000)..((image + 1) * 1000)]),
            ops.From<float>([1], [1])))[0])];
        Close.SameBits(together, alone);
    }

    /// <summary>Log-variances as encoders give them: small variances, and some of about 1.</summary>
    static float[] LogVariances(int count) => [.. Plain.Random(count, 2).Select((value, i) => i % 3 == 0 ? value : 6 * value - 6)];
}
