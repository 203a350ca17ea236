namespace JeDi.Files.Safetensors;

/// <summary>Element types of the format, in its own spelling.</summary>
public enum SafetensorsType
{
    BOOL,
    F4,
    F6_E2M3,
    F6_E3M2,
    U8,
    I8,
    F8_E5M2,
    F8_E4M3,
    F8_E8M0,
    F8_E4M3FNUZ,
    F8_E5M2FNUZ,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

public static class SafetensorsTypes
{
    /// <summary>Bits of one element. The smallest types are packed; a tensor of them fills whole bytes.</summary>
    public static int Bits(this SafetensorsType type) => type switch
    {
        SafetensorsType.F4 => 4,
        SafetensorsType.F6_E2M3 or SafetensorsType.F6_E3M2 => 6,
        < SafetensorsType.I16 => 8,
        SafetensorsType.I16 or SafetensorsType.U16 or SafetensorsType.F16 or SafetensorsType.BF16 => 16,
        SafetensorsType.I32 or SafetensorsType.U32 or SafetensorsType.F32 => 32,
        _ => 64,
    };

    /// <summary>Bytes of a tensor, or -1 where no file can hold it: more than 64 bits can count, or a byte half filled.</summary>
    public static long BytesOf(this SafetensorsType type, ReadOnlySpan<long> shape)
    {
        long count = SafetensorsEntry.CountOf(shape);
        int bits = type.Bits();
        return count < 0 || count > long.MaxValue / bits || count * bits % 8 != 0 ? -1 : count * bits / 8;
    }
}
