namespace JeDi.Tensors;

/// <summary>
/// The parameters of a network that is trained, side by side in one F32 tensor, with a second one for their gradients: an optimiser is
/// one pass over flat memory. Made before loading: the loader then fills the values where they lie.
/// </summary>
public sealed class FlatParameters
{
    /// <summary>Each parameter begins at a multiple of so many floats; what is between them stays 0.</summary>
    public const int Alignment = 64;

    readonly Device device;
    readonly DeviceMemory values;
    readonly DeviceMemory? gradients;

    /// <param name="device">Of the parameters.</param>
    /// <param name="parameters">What a network asked for; none has a value yet.</param>
    /// <param name="withGradients">Room for gradients, too; they are 0.</param>
    public FlatParameters(Device device, IReadOnlyList<Parameter> parameters, bool withGradients = true)
    {
        this.device = device;
        Parameters = parameters;
        long count = parameters.Sum(parameter => Padded(parameter.Shape.Count));
        values = device.Allocate(count * sizeof(float));
        gradients = withGradients ? device.Allocate(count * sizeof(float)) : null;
        Values = Zeros(values, count);
        Gradients = gradients is null ? default : Zeros(gradients, count);
        long first = 0;
        foreach (Parameter parameter in parameters)
        {
            parameter.Value = new Tensor(values, first * sizeof(float), parameter.Shape, DType.F32);
            parameter.Gradient = gradients is null ? default : new Tensor(gradients, first * sizeof(float), parameter.Shape, DType.F32);
            first += Padded(parameter.Shape.Count);
        }
    }

    /// <summary>In the order of the flat tensors.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>All values F32 [count], padding included.</summary>
    public Tensor Values { get; }

    /// <summary>All gradients F32 [count], in the same places; absent without gradients.</summary>
    public Tensor Gradients { get; }

    /// <summary>What stands in the place of a parameter in a tensor of the size of all values: an average, a moment.</summary>
    public float[] Of(Parameter parameter, Tensor all) => device.ToArray(all.Rows(First(parameter), checked((int)parameter.Shape.Count)));

    /// <summary>Where a parameter begins.</summary>
    public int First(Parameter parameter) => checked((int)((parameter.Value.Address - Values.Address) / sizeof(float)));

    /// <summary>The values have changed: every form of every parameter is made anew. Allocates no managed memory.</summary>
    public void Rebuild()
    {
        for (int i = 0; i < Parameters.Count; i++)
        {
            Parameters[i].Rebuild();
        }
    }

    /// <summary>Frees values, gradients and forms.</summary>
    public void Free()
    {
        foreach (Parameter parameter in Parameters)
        {
            (parameter.Value, parameter.Gradient) = (default, default);
            parameter.Free();
        }

        device.Free(values);
        if (gradients is not null)
        {
            device.Free(gradients);
        }
    }

    static long Padded(long count) => (count + Alignment - 1) / Alignment * Alignment;

    Tensor Zeros(DeviceMemory memory, long count)
    {
        var tensor = new Tensor(memory, 0, [checked((int)count)], DType.F32);
        device.Fill(tensor, 0);
        return tensor;
    }
}
