namespace JeDi.Tensors;

/// <summary>
/// A view of contiguous device memory, row-major: memory, offset, shape, element type. A value: copying it copies no numbers.
/// The default value stands for "no tensor" (an absent bias, residual, ...): see <see cref="Exists"/>.
/// </summary>
public readonly struct Tensor
{
    readonly DeviceMemory? memory;
    readonly long offset;

    /// <summary>A view of memory, from an offset in bytes.</summary>
    public Tensor(DeviceMemory memory, long offset, Shape shape, DType type)
    {
        this.memory = memory;
        this.offset = offset;
        Shape = shape;
        DType = type;
    }

    /// <summary>Row-major.</summary>
    public Shape Shape { get; }

    /// <summary>Of the elements.</summary>
    public DType DType { get; }

    /// <summary>False for the default value, which stands for a tensor that is left out.</summary>
    public bool Exists => memory is not null;

    /// <summary>Elements.</summary>
    public long Count => Shape.Count;

    /// <summary>Bytes of all elements.</summary>
    public long Bytes => Shape.Count * DType.Size();

    /// <summary>Whose memory it is.</summary>
    public Device Device => memory?.Device ?? throw new InvalidOperationException("this tensor is absent");

    /// <summary>Address of the first element in the device's memory; 0 for an absent tensor.</summary>
    /// <exception cref="InvalidOperationException">The arena scope that the tensor was made in is closed.</exception>
    public nint Address
    {
        get
        {
            if (memory is null)
            {
                return 0;
            }

            if (offset + Bytes > memory.Live)
            {
                throw new InvalidOperationException($"tensor {Shape} was used after its arena scope closed");
            }

            return memory.Address + (nint)offset;
        }
    }

    /// <summary>The same elements in another shape of the same count.</summary>
    public Tensor Reshape(Shape shape)
    {
        if (shape.Count != Shape.Count)
        {
            throw new ArgumentException($"cannot view {Shape} as {shape}: {Shape.Count} elements against {shape.Count}");
        }

        return new Tensor(memory!, offset, shape, DType);
    }

    /// <summary>Entries <paramref name="first"/> to <paramref name="first"/> + <paramref name="count"/> of the leading dimension.</summary>
    public Tensor Rows(int first, int count)
    {
        if (first < 0 || count < 0 || first > Shape[0] - count)
        {
            throw new ArgumentOutOfRangeException(nameof(first), $"rows {first}..{first + count} of {Shape}");
        }

        long row = Shape[0] == 0 ? 0 : Bytes / Shape[0];
        return new Tensor(memory!, offset + first * row, Shape.WithFirst(count), DType);
    }

    /// <summary>Frees the memory of a tensor that has it alone.</summary>
    internal void FreeOwn()
    {
        if (memory is not null && offset == 0 && memory.Bytes == Bytes)
        {
            memory.Device.Free(memory);
        }
    }

    /// <summary>Type and shape.</summary>
    public override string ToString() => Exists ? $"{DType}{Shape}" : "none";
}
