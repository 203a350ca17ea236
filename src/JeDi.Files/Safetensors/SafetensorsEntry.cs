namespace JeDi.Files.Safetensors;

/// <summary>A tensor of a file.</summary>
/// <param name="Name">Unique within the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Dimensions; empty for a scalar.</param>
/// <param name="Offset">Of the first byte, from the start of the file.</param>
/// <param name="Bytes">Size of its values.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsType Type, long[] Shape, long Offset, long Bytes)
{
    /// <summary>Elements.</summary>
    public long Count => CountOf(Shape);

    /// <summary>Elements of a shape, or -1 where the product does not fit into a positive 64-bit number.</summary>
    public static long CountOf(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long dimension in shape)
        {
            if (dimension < 0 || Math.BigMul(count, dimension, out long low) != 0 || low < 0)
            {
                return -1;
            }

            count = low;
        }

        return count;
    }
}
