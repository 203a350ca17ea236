using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>
/// Biases of the keys of the batch: for each level of the U-Net (one for all if they do not depend on the location) a row [batch] or
/// [batch, L] for each phase of a run, and the current one. A phase ends where a reference comes in or goes out.
/// </summary>
public sealed class JointKeyBias
{
    readonly JointShape shape;
    readonly SamplerPlan plan;
    readonly int conditions;
    readonly Tensor phaseOfEvaluation;
    readonly Tensor phase;
    readonly List<(Tensor Table, Tensor Row, int Factor)> levels = [];

    /// <summary>A table on its way to the device.</summary>
    float[] room = [];

    /// <summary>Takes the memory.</summary>
    public JointKeyBias(Ops ops, JointShape shape, SamplerPlan plan, int conditions, int networkLevels)
    {
        this.shape = shape;
        this.plan = plan;
        this.conditions = conditions;
        int count = shape.KeyBias switch
        {
            KeyBiasKind.None => 0,
            KeyBiasKind.PerImage => 1,
            _ => networkLevels,
        };
        phaseOfEvaluation = ops.From<int>([plan.Rows.Count, 1], new int[plan.Rows.Count]);
        phase = ops.New([1, 1], DType.I32);
        for (int level = 0; level < count; level++)
        {
            int locations = shape.KeyBias == KeyBiasKind.PerImage ? 1 : (shape.Height >> level) * (shape.Width >> level);
            levels.Add((ops.New([MostPhases, Batch, locations]), ops.New([1, Batch, locations]), 1 << level));
        }
    }

    /// <summary>What <c>JointBatch.KeyBias</c> takes.</summary>
    public IReadOnlyList<Tensor> Current =>
        [.. levels.Select(level => level.Row.Reshape(Locations(level.Row) == 1 ? [Batch] : [Batch, Locations(level.Row)]))];

    int Batch => conditions * shape.Images;

    /// <summary>Every reference comes in once and goes out once.</summary>
    int MostPhases => Math.Min(plan.Rows.Count, 2 * shape.References + 1);

    /// <summary>Fills the tables for the references of a set, the same in every set and under every condition.</summary>
    public void Write(Ops ops, IReadOnlyList<ReferenceAttention> references)
    {
        (int[] phases, double[] shares) = Phases(references);
        ops.Device.Write<int>(phaseOfEvaluation, phases);
        foreach ((Tensor table, Tensor row, int factor) in levels)
        {
            int locations = Locations(row);
            if (room.Length < table.Count)
            {
                room = new float[table.Count];
            }

            Span<float> values = room.AsSpan(0, (int)table.Count);
            values.Clear();
            for (long entry = 0; entry < (long)shares.Length * Batch; entry++)
            {
                int image = (int)(entry % Batch) % shape.SetImages;
                if (image < references.Count)
                {
                    Span<float> to = values.Slice((int)(entry * locations), locations);
                    to.Fill(references[image].BiasAt(shares[entry / Batch]));
                    Drop(to, references[image].Inside, factor);
                }
            }

            ops.Device.Write<float>(table, values);
        }
    }

    /// <summary>Makes the row of an evaluation the current one.</summary>
    public void Select(Ops ops, Tensor evaluation)
    {
        if (levels.Count == 0)
        {
            return;
        }

        ops.Embed(phaseOfEvaluation, evaluation, into: phase);
        foreach ((Tensor table, Tensor row, _) in levels)
        {
            ops.Embed(table, phase.Reshape([1]), into: row);
        }
    }

    /// <summary>The phase of each evaluation, and of each phase the share of the steps that is done at its start.</summary>
    (int[] Phases, double[] Shares) Phases(IReadOnlyList<ReferenceAttention> references)
    {
        var phases = new int[plan.Rows.Count];
        var shares = new List<double> { 0 };
        for (int i = 1; i < phases.Length; i++)
        {
            double share = plan.ShareBefore(i);
            if (references.Any(reference => reference.IsInAt(share) != reference.IsInAt(shares[^1])))
            {
                shares.Add(share);
            }

            phases[i] = shares.Count - 1;
        }

        return (phases, [.. shares]);
    }

    static int Locations(Tensor row) => row.Shape[2];

    /// <summary>
    /// Minus infinity where less than half of a location's area is inside; a location of a coarse level is a square of fine ones.
    /// </summary>
    void Drop(Span<float> bias, float[]? inside, int factor)
    {
        if (inside is null)
        {
            return;
        }

        int width = shape.Width / factor;
        for (int i = 0; i < bias.Length; i++)
        {
            float sum = 0;
            for (int y = 0; y < factor; y++)
            {
                for (int x = 0; x < factor; x++)
                {
                    sum += inside[(i / width * factor + y) * shape.Width + i % width * factor + x];
                }
            }

            if (sum < 0.5f * factor * factor)
            {
                bias[i] = float.NegativeInfinity;
            }
        }
    }
}
