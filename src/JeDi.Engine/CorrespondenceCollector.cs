using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi;

/// <summary>
/// Sums, over steps and layers of one resolution, how much each target location attends to each reference location (the paper's
/// correspondence figure). It watches the full condition, at the finest level of at most 1024 locations.
/// </summary>
sealed class CorrespondenceCollector
{
    const int MostLocations = 1024;

    readonly JointShape shape;
    readonly int height;
    readonly int width;
    readonly Tensor sums;

    /// <param name="arena">Where the sums are kept, as long as the run's memory.</param>
    /// <param name="state">Of the run that is watched.</param>
    public CorrespondenceCollector(Arena arena, JointState state)
    {
        shape = state.Shape;
        (height, width) = Size(shape);
        sums = arena.New([shape.AllTargets * Locations, shape.SetImages * Locations]);
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
    public IReadOnlyList<Correspondence> Results()
    {
        if (shape.References == 0)
        {
            return [];
        }

        float[] all = sums.Device.ToArray(sums);
        return [.. Enumerable.Range(0, shape.AllTargets).Select(target => Result(all, target))];
    }

    /// <summary>Another request begins.</summary>
    public void Clear() => sums.Device.Fill(sums, 0);

    void Observe(Ops ops, int layer, Tensor queries, Tensor keys, Tensor bias, int heads)
    {
        if (queries.Shape[1] != Locations)
        {
            return;
        }

        int conditions = keys.Shape[0] / shape.Images;
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
            Tensor sum = sums.Rows(set * shape.Targets * Locations, shape.Targets * Locations);
            ops.Add(sum, probabilities, into: sum);
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

    Correspondence Result(float[] all, int target)
    {
        int keys = shape.SetImages * Locations;
        int referenceKeys = shape.References * Locations;
        var reference = new int[Locations];
        var location = new int[Locations];
        var share = new float[Locations];
        for (int i = 0; i < Locations; i++)
        {
            ReadOnlySpan<float> row = all.AsSpan((target * Locations + i) * keys, keys);
            int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(row[..referenceKeys]);
            (reference[i], location[i]) = Math.DivRem(best, Locations);
            float total = System.Numerics.Tensors.TensorPrimitives.Sum(row);
            share[i] = total > 0 ? System.Numerics.Tensors.TensorPrimitives.Sum(row[..referenceKeys]) / total : 0;
        }

        return new Correspondence(height, width, reference, location, share);
    }
}
