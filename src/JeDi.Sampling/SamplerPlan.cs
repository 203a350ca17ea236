namespace JeDi.Sampling;

/// <summary>
/// A sampler as numbers. Every sampler in use is linear: its state is a list of tensors of the latents' shape, 0 = x (the latent),
/// 1 = the guided prediction, 2 = the fresh noise of this evaluation, 3 and up = what it remembers, and after each evaluation
/// <c>state[Targets[j]] = sum over i of Coefficients[j][i] * state[i]</c> for j = 0, 1, .. in this order and in place. The targets are
/// the same for all rows, so that one recorded step serves all of them. A coefficient of 0 must mean "not read": a state that was
/// never written may hold anything.
/// </summary>
public sealed class SamplerPlan
{
    /// <summary>Index of the latents among the states.</summary>
    public const int X = 0;
    /// <summary>Index of the network's prediction.</summary>
    public const int Prediction = 1;
    /// <summary>Index of the noise that is drawn.</summary>
    public const int Noise = 2;

    internal SamplerPlan(string name, double initialScale, SamplerRow[] rows, int[] targets, int stateCount)
    {
        Name = name;
        InitialScale = initialScale;
        Rows = rows;
        Targets = targets;
        StateCount = stateCount;
    }

    /// <summary>Of the sampler.</summary>
    public string Name { get; }

    /// <summary>What unit noise is multiplied by to be the first latent (of a run that starts from noise alone).</summary>
    public double InitialScale { get; }

    /// <summary>One per evaluation of the network, in order.</summary>
    public IReadOnlyList<SamplerRow> Rows { get; }

    /// <summary>States that are updated after each evaluation, in this order.</summary>
    public IReadOnlyList<int> Targets { get; }

    /// <summary>Number of states, x, prediction and noise included.</summary>
    public int StateCount { get; }

    /// <summary>Share of the plan's steps that are done before the evaluation of row <paramref name="index"/>, 0 to below 1.</summary>
    public double ShareBefore(int index) => Rows[index].Step / (Rows[^1].Step + 1.0);

    /// <summary>Noise level of the latent after row <paramref name="index"/>: that of the next row, or clean after the last.</summary>
    public NoiseLevel LevelAfter(int index) => index + 1 < Rows.Count ? Rows[index + 1].Level : NoiseLevel.Clean;
}

/// <summary>One evaluation of the network and the update after it.</summary>
/// <param name="Step">The step that it belongs to, from 0: some samplers evaluate a step twice.</param>
/// <param name="Timestep">What the network is told; may be fractional.</param>
/// <param name="InputScale">x, references included, is multiplied by it before the network.</param>
/// <param name="Level">Noise level of x at this evaluation, in the sampler's own form.</param>
/// <param name="DrawsNoise">Whether the update takes a fresh draw.</param>
/// <param name="Coefficients">[target][state].</param>
/// <param name="Clean">Of the latent before the update and of the prediction: their sum is the image that the network sees.</param>
public sealed record SamplerRow(
    int Step,
    double Timestep,
    double InputScale,
    NoiseLevel Level,
    bool DrawsNoise,
    double[][] Coefficients,
    (double X, double Prediction) Clean);
