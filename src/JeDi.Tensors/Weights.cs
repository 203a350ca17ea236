namespace JeDi.Tensors;

/// <summary>
/// Name -> <see cref="Parameter"/>, below a prefix: <c>w.At("down_blocks").At(0)</c>. A network's constructor says what it wants; what was
/// asked for, in order, is the state dict (<see cref="Asked"/>), so models need no registration. The values come afterwards, all at
/// once (<see cref="Load(CancellationToken)"/>).
/// </summary>
public sealed class Weights
{
    readonly IWeightSource source;
    readonly string prefix;
    readonly Func<string, DType?> keep;
    readonly List<WantedParameter> wanted;

    /// <param name="device">Where the parameters will be.</param>
    /// <param name="source">Where their values come from.</param>
    /// <param name="keep">Type that matrices, filters and tables are kept in; null: as they are stored.</param>
    public Weights(Device device, IWeightSource source, DType? keep = null)
        : this(device, source, _ => keep)
    {
    }

    /// <param name="device">Where the parameters will be.</param>
    /// <param name="source">Where their values come from.</param>
    /// <param name="keep">Type that the matrix, filter or table of that name is kept in; null: as it is stored.</param>
    public Weights(Device device, IWeightSource source, Func<string, DType?> keep)
        : this(device, source, "", keep, [])
    {
    }

    Weights(Device device, IWeightSource source, string prefix, Func<string, DType?> keep, List<WantedParameter> wanted)
    {
        Device = device;
        this.source = source;
        this.prefix = prefix;
        this.keep = keep;
        this.wanted = wanted;
    }

    /// <summary>Where the parameters will be.</summary>
    public Device Device { get; }

    /// <summary>Every parameter that was asked for so far, in order.</summary>
    public IReadOnlyList<Parameter> Asked => [.. wanted.Select(one => one.Parameter)];

    /// <summary>Bytes that the device keeps for what was asked for.</summary>
    public long Bytes => wanted.Sum(one => Device.ParameterBytes(one.Parameter.Kind, one.Parameter.Shape, one.Parameter.Stored));

    /// <summary>A network with its values: what <paramref name="make"/> asks for is loaded.</summary>
    /// <exception cref="WeightException">A tensor is missing or has another shape.</exception>
    public static T Load<T>(Device device, IWeightSource source, Func<Weights, T> make, DType? keep = null)
    {
        var weights = new Weights(device, source, keep);
        T network = make(weights);
        weights.Load();
        return network;
    }

    /// <summary>Fills every parameter that has been asked for and has no value yet, in the order of the files.</summary>
    /// <param name="stop">Ends it early; the parameters are not usable then.</param>
    public void Load(CancellationToken stop = default) => Load(Device, [this], stop);

    /// <summary>The same for several networks at once.</summary>
    public static void Load(Device device, IEnumerable<Weights> networks, CancellationToken stop = default)
    {
        List<WantedParameter> wanted = [.. networks.SelectMany(network => network.InOrder())];

        // The disk works while the processors turn and pack; on a thread of its own, since asking waits for the disk's queue.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task announcing = Task.Factory.StartNew(
            () => Announce(wanted, ended.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            device.Load(wanted, stop);
        }
        finally
        {
            ended.Cancel();
            announcing.Wait(CancellationToken.None);
        }
    }

    /// <summary>Frees everything that was asked for; <see cref="Load(CancellationToken)"/> brings it back.</summary>
    public void Free() => wanted.ForEach(one => one.Parameter.Free());

    /// <summary>Those below a further prefix.</summary>
    public Weights At(string name) => new(Device, source, $"{prefix}{name}.", keep, wanted);

    /// <summary>Those below a further prefix.</summary>
    public Weights At(int index) => At(index.ToString());

    /// <summary>Bias, norm weight: [count].</summary>
    public Parameter Vector(string name, int count) => Take(name, ParameterKind.Vector, [count], [count]);

    /// <summary>Lookup table [rows, columns].</summary>
    public Parameter Table(string name, int rows, int columns) => Take(name, ParameterKind.Table, [rows, columns], [rows, columns]);

    /// <summary>Values of any shape that are added to activations, e.g. positions, a class token [1, 1, C].</summary>
    public Parameter Plain(string name, Shape shape) => Take(name, ParameterKind.Plain, shape, shape);

    /// <summary>Linear weight [n, k]; a 1x1 filter [n, k, 1, 1] is the same bytes and welcome.</summary>
    public Parameter Matrix(string name, int n, int k) => Take(name, ParameterKind.Matrix, [n, k], [n, k]);

    /// <summary>Linear weight [2n, k] of a GEGLU: values first, then gates.</summary>
    public Parameter GegluMatrix(string name, int n, int k) => Take(name, ParameterKind.GegluMatrix, [2 * n, k], [2 * n, k]);

    /// <summary>A linear weight for use as a filter-shaped projection, stored as [n, k, 1, 1] or [n, k].</summary>
    public Parameter Projection(string name, int n, int k) => Take(name, ParameterKind.Matrix, [n, k], [n, k, 1, 1]);

    /// <summary>Filter, stored as [o, i, kernel, kernel] and brought to [o, kernel, kernel, i].</summary>
    public Parameter Convolution(string name, int o, int i, int kernel) =>
        Take(name, ParameterKind.Convolution, [o, kernel, kernel, i], [o, i, kernel, kernel]);

    Parameter Take(string name, ParameterKind kind, Shape shape, Shape asStored)
    {
        string full = prefix + name;
        if (!source.TryFind(full, asStored, out Shape stored, out DType type))
        {
            throw new WeightException($"{source.Origin}: tensor '{full}' {asStored} is missing; is this the right kind of model?");
        }

        if (!SameButTrailingOnes(stored, asStored))
        {
            throw new WeightException($"{source.Origin}: tensor '{full}' has shape {stored}, the config wants {asStored}");
        }

        var parameter = new Parameter(full, kind, shape, keep(full) ?? source.Kept(full, stored, type));
        wanted.Add(new WantedParameter(parameter, source, stored, type));
        return parameter;
    }

    static void Announce(List<WantedParameter> wanted, CancellationToken stop)
    {
        foreach (WantedParameter one in wanted)
        {
            if (stop.IsCancellationRequested)
            {
                return;
            }

            one.Announce();
        }
    }

    List<WantedParameter> InOrder()
    {
        List<WantedParameter> missing = wanted.FindAll(one => one.Parameter.Value.Exists || !one.Parameter.IsFilled);
        missing.Sort((one, other) =>
        {
            ((int file, long offset), (int otherFile, long otherOffset)) =
                (source.Place(one.Parameter.Name), source.Place(other.Parameter.Name));
            return file != otherFile ? file.CompareTo(otherFile) : offset.CompareTo(otherOffset);
        });
        return missing;
    }

    static bool SameButTrailingOnes(Shape a, Shape b)
    {
        for (int i = 0; i < Math.Max(a.Rank, b.Rank); i++)
        {
            if ((i < a.Rank ? a[i] : 1) != (i < b.Rank ? b[i] : 1))
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>A checkpoint that does not fit the network: names the tensor, what it is and what is wanted.</summary>
public sealed class WeightException(string message) : JeDiException(message);
