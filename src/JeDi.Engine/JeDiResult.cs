using JeDi.Files.Images;

namespace JeDi;

/// <summary>The pictures of a request, set by set, target by target.</summary>
/// <param name="Images">Pictures.</param>
/// <param name="Latents">Their latents after the last step, each [h, w, 4].</param>
/// <param name="Seeds">The seed whose stream each picture started from.</param>
/// <param name="Correspondences">Where each picture looked, if the session collects it.</param>
public sealed record JeDiResult(
    IReadOnlyList<PixelImage> Images,
    IReadOnlyList<float[]> Latents,
    IReadOnlyList<long> Seeds,
    IReadOnlyList<Correspondence> Correspondences);

/// <summary>
/// For each location of a target (row-major, Height x Width): the reference, and the location in it, that it attends to most, averaged
/// over steps and layers of that resolution, and the share of attention that all references get.
/// </summary>
public sealed record Correspondence(int Height, int Width, int[] Reference, int[] Location, float[] Share);

/// <summary>How far a request is.</summary>
/// <param name="Step">Evaluations done.</param>
/// <param name="Steps">Evaluations in all.</param>
public readonly record struct StepProgress(int Step, int Steps);
