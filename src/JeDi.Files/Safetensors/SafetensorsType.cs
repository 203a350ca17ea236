namespace JeDi.Files.Safetensors;

/// <summary>Element types of the format, in its own spelling.</summary>
public enum SafetensorsType
{
    /// <summary>One byte, 0 or 1.</summary>
    BOOL,
    /// <summary>Four bits.</summary>
    F4,
    /// <summary>Six bits, 2 of exponent.</summary>
    F6_E2M3,
    /// <summary>Six bits, 3 of exponent.</summary>
    F6_E3M2,
    /// <summary>Unsigned byte.</summary>
    U8,
    /// <summary>Signed byte.</summary>
    I8,
    /// <summary>Eight bits, 5 of exponent.</summary>
    F8_E5M2,
    /// <summary>Eight bits, 4 of exponent.</summary>
    F8_E4M3,
    /// <summary>A power of two.</summary>
    F8_E8M0,
    /// <summary>Without infinities and negative zero.</summary>
    F8_E4M3FNUZ,
    /// <summary>Without infinities and negative zero.</summary>
    F8_E5M2FNUZ,
    /// <summary>Two bytes, signed.</summary>
    I16,
    /// <summary>Two bytes, unsigned.</summary>
    U16,
    /// <summary>Half precision.</summary>
    F16,
    /// <summary>The upper half of single precision.</summary>
    BF16,
    /// <summary>Four bytes, signed.</summary>
    I32,
    /// <summary>Four bytes, unsigned.</summary>
    U32,
    /// <summary>Single precision.</summary>
    F32,
    /// <summary>Two single-precision numbers.</summary>
    C64,
    /// <summary>Double precision.</summary>
    F64,
    /// <summary>Eight bytes, signed.</summary>
    I64,
    /// <summary>Eight bytes, unsigned.</summary>
    U64,
}

/// <summary>What can be said of an element type.</summary>
public static class SafetensorsTypes
{
    static readonly string[] names = Enum.GetNames(typeof(SafetensorsType));

    /// <summary>The type of this spelling; false where there is none.</summary>
    public static bool TryParse(string name, out SafetensorsType type)
    {
        int index = Array.IndexOf(names, name);
        type = (SafetensorsType)index;
        return index >= 0;
    }

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
