namespace JeDi.Tensors;

/// <summary>Element types that networks compute with or store. Files know more; they are converted at load.</summary>
public enum DType : byte
{
    F32,
    F16,
    BF16,
    I32,
}

public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType type) => type is DType.F16 or DType.BF16 ? 2 : 4;
}
