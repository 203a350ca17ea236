using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi;

/// <summary>
/// Sums, over steps and layers of one resolution, how much each target location attends to each reference location (the paper's
/// correspondence figure). It watches the full condition, at the finest level of at most 1024 locations.
/// </summary>
sealed class CorrespondenceCollector : IDisposable
{
    const int MostLocations = 1024;

    readonly JointState state;
    readonly JointShape shape;
    readonly int height;
    readonly int width;
    readonly float[]? sums;

    /// <param name="state">Of the run that is watched.</param>
    /// <param name="rehearsal">Only the device's part is done: memory is planned.</param>
    public CorrespondenceCollector(JointState state, bool rehearsal = false)
    {
        this.state = state;
        shape = state.Shape;
        (height, width) = Size(shape);
        sums = rehearsal ? null : new float[Floats(shape)];
        state.Observer = Observe;
    }

    int Locations => height * width;

    /// <summary>Numbers that are collected in host memory.</summary>
    public static long Floats(JointShape shape)
    {
        (int height, int width) = Size(shape);
        return (long)shape.AllTargets * height * width * shape.SetImages * height * width;
    }

    /// <summary>For each target, set by set, where it looked.</summary>
    public IReadOnlyList<Correspondence> Results() => [.. Enumerable.Range(0, shape.References == 0 ? 0 : shape.AllTargets).Select(Result)];

    public void Dispose() => state.Observer = null;

    void Observe(Ops ops, int layer, Tensor queries, Tensor keys, Tensor bias, int heads)
    {
        if (queries.Shape[1] != Locations)
        {
            return;
        }

        int conditions = state.Conditions.Length;
        bool targetsOnly = queries.Shape[0] != keys.Shape[0];
        for (int set = 0; set < shape.Sets; set++)
        {
            using ArenaScope scope = ops.Scope();
            int first = (conditions - 1) * shape.Images + set * shape.SetImages;
            Tensor k = keys.Rows(first, shape.SetImages);
            Tensor added = bias.Exists ? bias.Rows(first, shape.SetImages) : default;
            Tensor q = targetsOnly
                ? queries.Rows((conditions - 1) * shape.AllTargets + set * shape.Targets, shape.Targets)
                : queries.Rows(first + shape.References, shape.Targets);
            Tensor probabilities = ops.AttentionMap(q, k, heads, added); // [T * L, N * L]
            if (sums is null)
            {
                continue;
            }

            float[] map = ops.Device.ToArray(probabilities);
            int offset = set * map.Length;
            for (int i = 0; i < map.Length; i++)
            {
                sums[offset + i] += map[i];
            }
        }
    }

    /// <summary>Height and width of the level that is watched.</summary>
    static (int Height, int Width) Size(JointShape shape)
    {
        (int height, int width) = (shape.Height, shape.Width);
        while (height * width > MostLocations && height % 2 == 0 && width % 2 == 0)
        {
            (height, width) = (height / 2, width / 2);
        }

        return (height, width);
    }

    Correspondence Result(int target)
    {
        int keys = shape.SetImages * Locations;
        int referenceKeys = shape.References * Locations;
        var reference = new int[Locations];
        var location = new int[Locations];
        var share = new float[Locations];
        for (int i = 0; i < Locations; i++)
        {
            ReadOnlySpan<float> row = sums.AsSpan((target * Locations + i) * keys, keys);
            int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(row[..referenceKeys]);
            (reference[i], location[i]) = Math.DivRem(best, Locations);
            float all = System.Numerics.Tensors.TensorPrimitives.Sum(row);
            share[i] = all > 0 ? System.Numerics.Tensors.TensorPrimitives.Sum(row[..referenceKeys]) / all : 0;
        }

        return new Correspondence(height, width, reference, location, share);
    }
}
