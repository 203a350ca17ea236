using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>
/// Biases of the keys of the batch for every evaluation, and the current ones: for each level of the U-Net (one for all if they do
/// not depend on the location) [batch] or [batch, L].
/// </summary>
public sealed class JointKeyBias
{
    readonly JointShape shape;
    readonly int conditions;
    readonly int evaluations;
    readonly List<(Tensor Table, Tensor Row, int Factor)> levels = [];

    public JointKeyBias(Ops ops, JointShape shape, int conditions, int evaluations, int networkLevels)
    {
        this.shape = shape;
        this.conditions = conditions;
        this.evaluations = evaluations;
        int batch = conditions * shape.Images;
        int count = shape.KeyBias switch
        {
            KeyBiasKind.None => 0,
            KeyBiasKind.PerImage => 1,
            _ => networkLevels,
        };
        for (int level = 0; level < count; level++)
        {
            int locations = shape.KeyBias == KeyBiasKind.PerImage ? 1 : (shape.Height >> level) * (shape.Width >> level);
            levels.Add((ops.New([evaluations, batch * locations]), ops.New([1, batch * locations]), 1 << level));
        }
    }

    /// <summary>What <c>JointBatch.KeyBias</c> takes.</summary>
    public IReadOnlyList<Tensor> Current =>
        [.. levels.Select(level => level.Row.Reshape(Locations(level.Row) == 1 ? [Batch] : [Batch, Locations(level.Row)]))];

    int Batch => conditions * shape.Images;

    /// <summary>Fills the tables for the references of a set, the same in every set and under every condition.</summary>
    public void Write(Ops ops, IReadOnlyList<ReferenceAttention> references)
    {
        foreach ((Tensor table, Tensor row, int factor) in levels)
        {
            int locations = Locations(row);
            var values = new float[table.Count];
            for (int entry = 0; entry < evaluations * Batch; entry++)
            {
                int image = entry % Batch % shape.SetImages;
                if (image < references.Count)
                {
                    Span<float> to = values.AsSpan(entry * locations, locations);
                    to.Fill(references[image].BiasAt(entry / Batch, evaluations));
                    Drop(to, references[image].Inside, factor);
                }
            }

            ops.Device.Write<float>(table, values);
        }
    }

    public void Select(Ops ops, Tensor evaluation)
    {
        foreach ((Tensor table, Tensor row, _) in levels)
        {
            ops.Embed(table, evaluation, into: row);
        }
    }

    int Locations(Tensor row) => (int)(row.Count / Batch);

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
