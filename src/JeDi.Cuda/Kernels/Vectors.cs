using System.Numerics;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>How many neighbouring elements a thread can take in one access.</summary>
static class Vectors
{
    const int MostBytes = 16;

    /// <summary>
    /// The largest power of two of elements, at most 16 bytes of <paramref name="type"/>, that divides <paramref name="count"/> and at
    /// whose multiples of bytes <paramref name="addresses"/> (addresses or'd together) lie.
    /// </summary>
    public static int Width(DType type, long count, nint addresses = 0)
    {
        int size = type.Size();
        long bits = count * size | addresses | MostBytes;
        return Math.Max(1, (1 << BitOperations.TrailingZeroCount(bits)) / size);
    }

    /// <summary>Blocks of <paramref name="threads"/> threads for <paramref name="count"/> threads.</summary>
    /// <exception cref="CudaException">More than a kernel can count.</exception>
    public static Grid Blocks(long count, int threads = 256) =>
        count <= uint.MaxValue
            ? new((int)((count + threads - 1) / threads))
            : throw new CudaException($"{count} pieces of work in one launch");
}
