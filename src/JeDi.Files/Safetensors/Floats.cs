using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace JeDi.Files.Safetensors;

/// <summary>Stored floating-point numbers to F32 and back.</summary>
public static class Floats
{
    /// <summary>Whether <see cref="Convert"/> takes this type.</summary>
    public static bool Takes(SafetensorsType type) =>
        type is SafetensorsType.F32 or SafetensorsType.F16 or SafetensorsType.BF16 or SafetensorsType.F64;

    /// <summary>Widens (F16, BF16: exact) or rounds (F64) little-endian numbers.</summary>
    public static void Convert(SafetensorsType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case SafetensorsType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                break;
            case SafetensorsType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(source), destination);
                break;
            case SafetensorsType.BF16:
                ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<byte, ushort>(source);
                Span<int> wide = MemoryMarshal.Cast<float, int>(destination);
                for (int i = 0; i < bits.Length; i++)
                {
                    wide[i] = bits[i] << 16;
                }

                break;
            case SafetensorsType.F64:
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, double>(source), destination);
                break;
            default:
                throw new ArgumentException($"{type} is not taken for a float");
        }
    }

    /// <summary>F32 to F16, to nearest even.</summary>
    public static void ToHalf(ReadOnlySpan<float> source, Span<ushort> destination) =>
        TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<ushort, Half>(destination));

    /// <summary>F32 to BF16, to nearest even; NaN stays NaN.</summary>
    public static void ToBFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(source);
        for (int i = 0; i < bits.Length; i++)
        {
            uint b = bits[i];
            bool nan = (b & 0x7FFFFFFF) > 0x7F800000;
            destination[i] = (ushort)(nan ? (b >> 16) | 0x40 : (b + 0x7FFF + ((b >> 16) & 1)) >> 16);
        }
    }
}
