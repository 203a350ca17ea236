using System.Runtime.InteropServices;
using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>The element types that networks are stored in: those of files and those of tensors, and the numbers in them.</summary>
static class Numbers
{
    /// <summary>The tensors' type for a file's, or null where a network cannot be stored so.</summary>
    public static DType? FromFile(SafetensorsType type) => type switch
    {
        SafetensorsType.F32 => DType.F32,
        SafetensorsType.F16 => DType.F16,
        SafetensorsType.BF16 => DType.BF16,
        _ => null,
    };

    public static SafetensorsType ToFile(DType type) => type switch
    {
        DType.F32 => SafetensorsType.F32,
        DType.F16 => SafetensorsType.F16,
        DType.BF16 => SafetensorsType.BF16,
        _ => throw new ArgumentException($"weights are not {type}"),
    };

    /// <summary>Exact.</summary>
    public static void ToFloat(ReadOnlySpan<byte> source, DType type, Span<float> destination) =>
        Floats.Convert(ToFile(type), source, destination);

    /// <summary>To nearest even.</summary>
    public static void FromFloat(ReadOnlySpan<float> source, DType type, Span<byte> destination)
    {
        switch (type)
        {
            case DType.F16:
                Floats.ToHalf(source, MemoryMarshal.Cast<byte, ushort>(destination));
                break;
            case DType.BF16:
                Floats.ToBFloat16(source, MemoryMarshal.Cast<byte, ushort>(destination));
                break;
            default:
                source.CopyTo(MemoryMarshal.Cast<byte, float>(destination));
                break;
        }
    }
}
