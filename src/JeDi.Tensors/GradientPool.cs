namespace JeDi.Tensors;

/// <summary>
/// Memory for gradients of activations, lent and returned while a step is recorded: a network has few sizes, so most are lent often.
/// </summary>
sealed class GradientPool(Device device)
{
    // A tensor may lie in room up to so many times its size.
    const int LooseFit = 2;

    readonly Arena arena = new(device);
    readonly Dictionary<nint, Tensor> rooms = [];
    readonly List<Tensor> free = [];

    /// <summary>Bytes taken from the device.</summary>
    public long Bytes => arena.Capacity;

    public Tensor Rent(Shape shape)
    {
        int best = -1;
        for (int i = 0; i < free.Count; i++)
        {
            bool fits = free[i].Count >= shape.Count && free[i].Count <= LooseFit * shape.Count;
            if (fits && (best < 0 || free[i].Count < free[best].Count))
            {
                best = i;
            }
        }

        Tensor room;
        if (best < 0)
        {
            room = arena.New([checked((int)shape.Count)]);
            rooms.Add(room.Address, room);
        }
        else
        {
            room = free[best];
            free.RemoveAt(best);
        }

        return room.Rows(0, (int)shape.Count).Reshape(shape);
    }

    public void Return(Tensor tensor) => free.Add(rooms[tensor.Address]);

    public void Release()
    {
        rooms.Clear();
        free.Clear();
        arena.Release();
    }
}
