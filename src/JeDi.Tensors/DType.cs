namespace JeDi.Tensors;

/// <summary>Element types that networks compute with or store. Files know more; they are converted at load.</summary>
public enum DType : byte
{
    /// <summary>Single precision.</summary>
    F32,
    /// <summary>Half precision, 5 bits of exponent.</summary>
    F16,
    /// <summary>The upper half of single precision.</summary>
    BF16,
    /// <summary>Whole numbers: ids, indices.</summary>
    I32,
}

/// <summary>What can be said of an element type.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType type) => type is DType.F16 or DType.BF16 ? 2 : 4;
}
