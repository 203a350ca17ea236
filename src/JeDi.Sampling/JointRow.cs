using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>
/// The numbers that change from evaluation to evaluation, as a table on the device and its current row: timesteps, levels, input
/// scale, sampler coefficients. A recorded step reads the row; which row it is stands in device memory, too.
/// </summary>
public sealed class JointRow
{
    readonly Tensor table;
    readonly Tensor row;

    /// <summary>Takes the memory.</summary>
    public JointRow(Ops ops, SamplerPlan plan, int batch)
    {
        int coefficients = plan.Targets.Count * plan.StateCount;
        int width = batch + 5 + coefficients;
        var values = new float[plan.Rows.Count * width];
        for (int i = 0; i < plan.Rows.Count; i++)
        {
            SamplerRow step = plan.Rows[i];
            NoiseLevel next = plan.LevelAfter(i);
            Span<float> to = values.AsSpan(i * width, width);
            to[..batch].Fill((float)step.Timestep);
            to[batch] = (float)step.InputScale;
            (to[batch + 1], to[batch + 2]) = ((float)step.Level.Alpha, (float)step.Level.Sigma);
            (to[batch + 3], to[batch + 4]) = ((float)next.Alpha, (float)next.Sigma);
            for (int j = 0; j < coefficients; j++)
            {
                to[batch + 5 + j] = (float)step.Coefficients[j / plan.StateCount][j % plan.StateCount];
            }
        }

        table = ops.From<float>([plan.Rows.Count, width], values);
        row = ops.New([1, width]);
        Tensor flat = row.Reshape([width]);
        Timesteps = flat.Rows(0, batch);
        InputScale = flat.Rows(batch, 1);
        Level = flat.Rows(batch + 1, 2);
        NextLevel = flat.Rows(batch + 3, 2);
        Coefficients = [.. plan.Targets.Select((_, j) => flat.Rows(batch + 5 + j * plan.StateCount, plan.StateCount))];
    }

    /// <summary>One per image of the batch.</summary>
    public Tensor Timesteps { get; }

    /// <summary>What the network takes its noisy latents times.</summary>
    public Tensor InputScale { get; }

    /// <summary>Alpha and sigma of this evaluation.</summary>
    public Tensor Level { get; }

    /// <summary>Alpha and sigma after it.</summary>
    public Tensor NextLevel { get; }

    /// <summary>For each updated state the coefficients of all states.</summary>
    public IReadOnlyList<Tensor> Coefficients { get; }

    /// <summary>Makes the row that <paramref name="evaluation"/> I32 [1] names the current one.</summary>
    public void Select(Ops ops, Tensor evaluation) => ops.Embed(table, evaluation, into: row);
}
