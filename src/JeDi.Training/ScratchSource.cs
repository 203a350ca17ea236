using System.Runtime.InteropServices;
using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>
/// Weights that a network begins with: matrices and filters uniform within 1 / sqrt(inputs), tables of deviation 0.02, norms 1, biases 0.
/// What ends a residual branch of the U-Net begins at 0, so that the network begins as the identity (Dhariwal and Nichol, 2021).
/// </summary>
sealed class ScratchSource(Component component, long seed) : IWeightSource
{
    const double TableScale = 0.02;

    static readonly string[] branchEnds = ["conv_out.weight", "proj_out.weight", "conv2.weight"];

    public string Origin => $"scratch, seed {seed}";

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        (stored, type) = (wanted, DType.F32);
        return true;
    }

    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        Span<float> values = MemoryMarshal.Cast<byte, float>(destination);
        if (stored.Rank == 1)
        {
            values.Fill(name.EndsWith("bias", StringComparison.Ordinal) ? 0 : 1);
        }
        else if (component == Component.UNet && branchEnds.Any(end => name.EndsWith(end, StringComparison.Ordinal)))
        {
            values.Clear();
        }
        else
        {
            bool table = name.Contains("embeddings.", StringComparison.Ordinal);
            double scale = table ? Math.Sqrt(3) * TableScale : 1 / Math.Sqrt((double)stored.Count / stored[0]);
            Recipe.Fill($"scratch/{seed}/{component}/{name}", values, scale, 0, from / sizeof(float));
        }
    }
}
