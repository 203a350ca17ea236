using System.Text;

namespace JeDi.Files;

/// <summary>
/// Deterministic numbers from a name, equal in every language: value i of a name is the top 24 bits of
/// splitmix64(fnv1a64(name) + (i + 1) * golden ratio), brought to [-1, 1). Golden inputs and synthetic checkpoints follow from it.
/// </summary>
public static class Recipe
{
    /// <summary>Scale of a tensor of unit variance.</summary>
    public static readonly double UnitVariance = Math.Sqrt(3);

    /// <summary>64-bit FNV-1a of the name's UTF-8 bytes.</summary>
    public static ulong Hash(string name)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (byte b in Encoding.UTF8.GetBytes(name))
        {
            hash = (hash ^ b) * 0x100000001B3;
        }

        return hash;
    }

    /// <summary>Value <paramref name="index"/> (row-major) of the name with this hash, in [-1, 1).</summary>
    public static double Value(ulong hash, long index)
    {
        ulong z = hash + ((ulong)index + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (z >> 40) / 8388608.0 - 1;
    }

    /// <summary>float32(offset + scale * value) for the values from index <paramref name="first"/> on.</summary>
    public static void Fill(string name, Span<float> destination, double scale, double offset = 0, long first = 0)
    {
        ulong hash = Hash(name);
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = (float)(offset + scale * Value(hash, first + i));
        }
    }

    /// <summary>A tensor of <paramref name="count"/> values, of unit variance unless a scale is given.</summary>
    public static float[] Tensor(string name, long count, double? scale = null)
    {
        var values = new float[count];
        Fill(name, values, scale ?? UnitVariance);
        return values;
    }

    /// <summary>
    /// Scale and offset of the parameter <paramref name="name"/> with <paramref name="shape"/> as PyTorch stores it: matrices and filters
    /// keep the variance of their input, embeddings are small, biases are small, norm weights are near 1.
    /// </summary>
    public static (double Scale, double Offset) OfWeight(string name, ReadOnlySpan<long> shape)
    {
        if (shape.Length < 2)
        {
            return (0.1, name.EndsWith("bias", StringComparison.Ordinal) ? 0 : 1);
        }

        bool embedding = name.Contains("embedding", StringComparison.Ordinal)
            && !name.Contains("time_embedding", StringComparison.Ordinal)
            && !name.Contains("patch_embedding", StringComparison.Ordinal);
        double fanIn = 1;
        foreach (long size in shape[1..])
        {
            fanIn *= size;
        }

        return (embedding ? 0.02 * UnitVariance : Math.Sqrt(3 / fanIn), 0);
    }
}
