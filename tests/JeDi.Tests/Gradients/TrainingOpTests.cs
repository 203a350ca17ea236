using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

/// <summary>Movement, losses, sampling and the optimiser against their formulas in double precision.</summary>
public sealed class TrainingOpTests
{
    // A few roundings of single precision, at the scale of the result.
    const double FewRoundings = 5e-7;

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void AddSumsItsRepeats(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        float[] dy = Plain.Random(3 * 5 * 70, 1);
        float[] expected = new float[70];
        for (int i = 0; i < dy.Length; i++)
        {
            expected[i % 70] += dy[i];
        }

        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Tensor gradient = ops.From<float>([3, 5, 70], dy);
        Tensor da = GradientRun.Filled(ops, [3, 5, 70], float.NaN);
        Tensor db = GradientRun.Filled(ops, [70], float.NaN);
        device.Gradients.Add(da, db, gradient, add: false);
        Close.SameBits(device.ToArray(da), dy, "da");
        Close.SameBits(device.ToArray(db), expected, "db");
        device.Gradients.Add(da, default, gradient, add: true);
        Close.SameBits(device.ToArray(da), [.. dy.Select(value => value + value)], "da twice");
        device.Gradients.Add(gradient, default, gradient, add: false);
        Close.SameBits(device.ToArray(gradient), dy, "in place");
        arena.Release();
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void ConcatTakesItsParts(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        foreach ((int left, int right, int rows) in new[] { (1, 3, 4), (70, 37, 300), (16, 16, 1) })
        {
            float[] dy = Plain.Random(rows * (left + right), 1);
            var arena = new Arena(device);
            var ops = new Ops(device, arena);
            Tensor gradient = ops.From<float>([rows, left + right], dy);
            Tensor da = GradientRun.Filled(ops, [rows, left], float.NaN);
            Tensor db = GradientRun.Filled(ops, [rows, right], 1);
            Tensor single = GradientRun.Filled(ops, [1, left], float.NaN);
            device.Gradients.Concat(da, default, gradient, add: false);
            device.Gradients.Concat(default, db, gradient, add: true);
            device.Gradients.Concat(single, default, gradient, add: false);
            Close.SameBits(device.ToArray(da), [.. dy.Where((_, i) => i % (left + right) < left)], "da");
            Close.SameBits(device.ToArray(db), [.. dy.Where((_, i) => i % (left + right) >= left).Select(value => 1 + value)], "db");
            var sum = new float[left];
            for (int i = 0; i < rows * left; i++)
            {
                sum[i % left] += dy[i / left * (left + right) + i % left];
            }

            Close.SameBits(device.ToArray(single), sum, "a single row");
            arena.Release();
        }
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void EmbedAddsRowsInOrder(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        int[] ids = [3, 0, 3, 3, 6];
        float[] dy = Plain.Random(ids.Length * 70, 1);
        var expected = new float[7 * 70];
        Array.Fill(expected, 1);
        for (int i = 0; i < dy.Length; i++)
        {
            expected[ids[i / 70] * 70 + i % 70] += dy[i];
        }

        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Tensor table = GradientRun.Filled(ops, [7, 70], 1);
        device.Gradients.Embed(table, ops.From<float>([ids.Length, 70], dy), ops.From<int>([ids.Length], ids));
        Close.SameBits(device.ToArray(table), expected, "dtable");
        arena.Release();
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void BlendSharesByTheMask(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        float[] dy = Plain.Random(60 * 4, 1);
        float[] mask = [.. Plain.Random(60, 2).Select(Math.Abs)];
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Tensor da = GradientRun.Filled(ops, [60, 4], float.NaN);
        Tensor db = GradientRun.Filled(ops, [60, 4], float.NaN);
        device.Gradients.Blend(da, db, ops.From<float>([60, 4], dy), ops.From<float>([60, 1], mask), add: false);
        Close.SameBits(device.ToArray(da), [.. dy.Select((value, i) => mask[i / 4] * value)], "da");
        Close.SameBits(device.ToArray(db), [.. dy.Select((value, i) => (1 - mask[i / 4]) * value)], "db");
        arena.Release();
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void SquaredErrorFollowsItsFormula(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        (int images, int count) = (3, 1500);
        float[] prediction = Plain.Random(images * count, 1);
        float[] target = Plain.Random(images * count, 2);
        float[] weight = [0.25f, 0, 2];
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Tensor loss = ops.New([images]);
        Tensor slope = ops.New([images, count]);
        device.Gradients.SquaredError(
            loss, slope, ops.From<float>([images, count], prediction), ops.From<float>([images, count], target),
            ops.From<float>([images], weight));
        double[] losses = [.. Enumerable.Range(0, images).Select(b => weight[b] * (double)Enumerable.Range(b * count, count)
            .Sum(i => Math.Pow((double)prediction[i] - target[i], 2)) / count)];
        Close.Within(device.ToArray(loss), losses, FewRoundings, "loss");
        double[] slopes = [.. prediction.Select((p, i) => 2.0 * weight[i / count] / count * ((double)p - target[i]))];
        Close.Within(device.ToArray(slope), slopes, FewRoundings, "gradient");
        arena.Release();
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void AdamWFollowsItsFormula(SimdLevel level)
    {
        using CpuDevice device = OpRun.Cpu(level);
        const int Count = 40_001;
        float[] settings = [1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 0, 0, 0.99f];
        float[] start = Plain.Random(Count, 1);
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Tensor value = ops.From<float>([Count], start);
        Tensor average = ops.From<float>([Count], start);
        Tensor first = GradientRun.Filled(ops, [Count], 0);
        Tensor second = GradientRun.Filled(ops, [Count], 0);
        Tensor norm = ops.New([2]);
        double[] w = [.. start.Select(x => (double)x)];
        double[] e = [.. w];
        var m = new double[Count];
        var v = new double[Count];
        for (int t = 1; t <= 3; t++)
        {
            settings[5] = (float)(1 - Math.Pow(settings[1], t));
            settings[6] = (float)(1 - Math.Pow(settings[2], t));
            float[] gradient = Plain.Random(Count, 10 + t);
            Tensor g = ops.From<float>([Count], gradient);
            device.Gradients.Clip(norm, ops.From<float>([1], [5]), [g.Rows(0, 20_000), g.Rows(20_000, Count - 20_000)]);
            device.Gradients.AdamW(value, first, second, average, g, norm, ops.From<float>([8], settings));
            double length = Math.Sqrt(gradient.Sum(x => (double)x * x));
            double factor = Math.Min(1, 5 / (length + 1e-6));
            Close.Within(device.ToArray(norm), new[] { length, factor }, FewRoundings, "norm");
            for (int i = 0; i < Count; i++)
            {
                double d = gradient[i] * factor;
                m[i] = settings[1] * m[i] + (1 - (double)settings[1]) * d;
                v[i] = settings[2] * v[i] + (1 - (double)settings[2]) * d * d;
                w[i] = w[i] * (1 - (double)settings[0] * settings[4])
                    - settings[0] / (double)settings[5] * m[i] / (Math.Sqrt(v[i]) / Math.Sqrt(settings[6]) + settings[3]);
                e[i] = settings[7] * e[i] + (1 - (double)settings[7]) * w[i];
            }
        }

        Close.Within(device.ToArray(value), w, 2 * FewRoundings, "value");
        Close.Within(device.ToArray(average), e, 2 * FewRoundings, "average");
        Close.Within(device.ToArray(first), m, 2 * FewRoundings, "first moment");
        arena.Release();
    }
}
