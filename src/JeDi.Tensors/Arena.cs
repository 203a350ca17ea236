namespace JeDi.Tensors;

/// <summary>
/// A bump allocator on one device. Tensors are made in order and released together when their <see cref="Scope"/> closes.
/// It grows by whole blocks until <see cref="Freeze"/>; from then on an allocation that does not fit throws, so a frozen arena
/// proves that a step allocates nothing.
/// </summary>
public sealed class Arena(Device device, long blockBytes = 16L << 20)
{
    const long Alignment = 256;

    readonly List<DeviceMemory> blocks = [];
    int current;
    long top;
    long below;
    bool frozen;

    /// <summary>Whose memory it is.</summary>
    public Device Device { get; } = device;

    /// <summary>Fills every closed scope with NaN, so that a stale read is seen. For tests: it costs a pass over the memory.</summary>
    public bool Poison { get; set; }

    /// <summary>Bytes in use now.</summary>
    public long Used => below + top;

    /// <summary>Largest value that <see cref="Used"/> ever had.</summary>
    public long Peak { get; private set; }

    /// <summary>Bytes taken from the device.</summary>
    public long Capacity => blocks.Sum(block => block.Bytes);

    /// <summary>Takes one block of so many bytes from the device, where no block is there.</summary>
    public void Reserve(long bytes)
    {
        if (blocks.Count == 0)
        {
            AddBlock(bytes);
        }
    }

    /// <summary>A new tensor; its contents are undefined.</summary>
    public Tensor New(Shape shape, DType type = DType.F32)
    {
        long bytes = (Math.Max(1, shape.Count * type.Size()) + Alignment - 1) / Alignment * Alignment;
        if (blocks.Count == 0 || top + bytes > blocks[current].Bytes)
        {
            Advance(bytes);
        }

        var tensor = new Tensor(blocks[current], top, shape, type);
        top += bytes;
        blocks[current].Live = top;
        Peak = Math.Max(Peak, Used);
        return tensor;
    }

    /// <summary>Everything made after this call is released when the result is disposed.</summary>
    public ArenaScope Scope() => new(this, current, top, below);

    /// <summary>
    /// No growth from now on. With nothing in use the blocks are joined into one of the peak's size.
    /// </summary>
    public void Freeze()
    {
        if (Used == 0 && blocks.Count > 1)
        {
            Release();
            Advance(Peak);
        }

        frozen = true;
    }

    /// <summary>
    /// All memory counts as in use, what closed scopes held included: a recorded step is going to run again in it. Later tensors lie
    /// beyond.
    /// </summary>
    public void Hold()
    {
        foreach (DeviceMemory block in blocks)
        {
            block.Live = block.Bytes;
        }

        if (blocks.Count > 0)
        {
            current = blocks.Count - 1;
            top = blocks[current].Bytes;
            below = Capacity - top;
        }
    }

    /// <summary>Every tensor of the arena is dead; its memory stays.</summary>
    public void Clear() => Restore(0, 0, 0);

    /// <summary>Gives all memory back to the device; every tensor of the arena is dead.</summary>
    public void Release()
    {
        foreach (DeviceMemory block in blocks)
        {
            block.Live = 0;
            Device.Free(block);
        }

        blocks.Clear();
        (current, top, below, frozen) = (0, 0, 0, false);
    }

    internal void Restore(int block, long mark, long markBelow)
    {
        for (int i = current; i >= block && i < blocks.Count && i >= 0; i--)
        {
            long from = i == block ? mark : 0;
            DeviceMemory memory = blocks[i];
            if (Poison && memory.Live > from)
            {
                Device.Fill(new Tensor(memory, from, [checked((int)((memory.Live - from) / 4))], DType.F32), 0xFF);
            }

            memory.Live = from;
        }

        (current, top, below) = (block, mark, markBelow);
    }

    void Advance(long bytes)
    {
        if (blocks.Count > 0)
        {
            below += top;
            current++;
        }

        top = 0;
        if (current < blocks.Count && blocks[current].Bytes >= bytes)
        {
            return;
        }

        if (frozen)
        {
            throw new InvalidOperationException($"the arena is frozen at {Capacity} bytes and {bytes} more were asked for");
        }

        AddBlock(Math.Max(bytes, blockBytes));
    }

    void AddBlock(long bytes)
    {
        DeviceMemory block = Device.Allocate(bytes);
        block.Live = 0;
        blocks.Insert(Math.Min(current, blocks.Count), block);
    }
}

/// <summary>Marks the top of an arena and restores it; the default value does nothing.</summary>
public readonly ref struct ArenaScope
{
    readonly Arena? arena;
    readonly int block;
    readonly long top;
    readonly long below;

    internal ArenaScope(Arena arena, int block, long top, long below)
    {
        this.arena = arena;
        this.block = block;
        this.top = top;
        this.below = below;
    }

    /// <summary>Gives back what was taken since the scope was opened.</summary>
    public void Dispose() => arena?.Restore(block, top, below);
}
