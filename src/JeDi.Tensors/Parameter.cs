namespace JeDi.Tensors;

/// <summary>What a weight is for; tells a device how to store it.</summary>
public enum ParameterKind
{
    /// <summary>Bias or norm weight [C]; plain F32 everywhere.</summary>
    Vector,

    /// <summary>Values of any shape among activations (positions, a class token): plain, in the compute type.</summary>
    Plain,

    /// <summary>Lookup table [rows, C] of <see cref="Kernels.Embed"/>; plain, in the stored type where the device widens it.</summary>
    Table,

    /// <summary>Right operand of <see cref="Kernels.Gemm"/> [N, K].</summary>
    Matrix,

    /// <summary>The same with <see cref="Activation.Geglu"/>: [2n, K], values first, gates after them.</summary>
    GegluMatrix,

    /// <summary>Filter of <see cref="Kernels.Conv2d"/> [O, kh, kw, I].</summary>
    Convolution,
}

/// <summary>
/// A named weight on one device. A network's constructor asks for it; a loader, or training, gives it its value; kernels read the forms
/// that they make from the value. Where nothing but one form is ever read, a device may hold the value in that form alone.
/// </summary>
/// <param name="name">Name in the checkpoint.</param>
/// <param name="kind">What it is for.</param>
/// <param name="shape">Shape in the layout of computation (filters are [O, kh, kw, I]).</param>
/// <param name="stored">Element type that the value is kept in: two bytes stay two bytes.</param>
public sealed class Parameter(string name, ParameterKind kind, Shape shape, DType stored = DType.F32)
{
    readonly Lock gate = new();

    // Replaced as a whole under the lock, so that kernels look forms up without it.
    volatile ParameterForm[] forms = [];

    /// <summary>As the file names it.</summary>
    public string Name { get; } = name;

    /// <summary>What it is used for.</summary>
    public ParameterKind Kind { get; } = kind;

    /// <summary>Row-major; filters [O, kh, kw, I].</summary>
    public Shape Shape { get; } = shape;

    /// <summary>Element type that is kept.</summary>
    public DType Stored { get; } = stored;

    /// <summary>
    /// The plain value, row-major in <see cref="Shape"/>; absent where the device holds the value in a form of its own. In training it lies
    /// in a flat F32 arena (<see cref="FlatParameters"/>).
    /// </summary>
    public Tensor Value { get; set; }

    /// <summary>F32, in the shape of the value; only in training. Backward kernels add to it.</summary>
    public Tensor Gradient { get; set; }

    /// <summary>A low-rank change that is computed beside it; only in training.</summary>
    public Adapter? Adapter { get; set; }

    /// <summary>Whether there is a value to compute with.</summary>
    public bool IsFilled => Value.Exists || forms.Length > 0;

    /// <summary>Bytes of the value (where it is plain) and of all forms.</summary>
    public long Bytes => Value.Bytes + forms.Sum(form => form.Bytes);

    /// <summary>The form of this type, if it has been made; allocates nothing.</summary>
    public T? Find<T>() where T : ParameterForm
    {
        foreach (ParameterForm form in forms)
        {
            if (form is T found)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>
    /// The form of this type, made by <paramref name="make"/> at the first call; allocates nothing later. <paramref name="make"/> should be
    /// a static lambda, and gets <paramref name="maker"/> (the device's kernels).
    /// </summary>
    public T Form<T, TMaker>(TMaker maker, Func<TMaker, Parameter, T> make) where T : ParameterForm
    {
        if (Find<T>() is T found)
        {
            return found;
        }

        lock (gate)
        {
            if (Find<T>() is not T form)
            {
                form = make(maker, this);
                forms = [.. forms, form];
            }

            return form;
        }
    }

    /// <summary>Gives it a form that a loader has made.</summary>
    public void Add(ParameterForm form)
    {
        lock (gate)
        {
            forms = [.. forms, form];
        }
    }

    /// <summary>The value has changed: every form is made anew, in place. Allocates no managed memory.</summary>
    public void Rebuild()
    {
        foreach (ParameterForm form in forms)
        {
            form.Rebuild(this);
        }
    }

    /// <summary>Frees the form of this type, if there is one; the next kernel that wants it makes it again.</summary>
    public void Drop<T>() where T : ParameterForm
    {
        lock (gate)
        {
            if (Find<T>() is T form)
            {
                forms = [.. forms.Where(other => other != form)];
                form.Free();
            }
        }
    }

    /// <summary>Frees all forms, and a value that lies in memory of its own: the parameter has to be loaded again.</summary>
    public void Free()
    {
        lock (gate)
        {
            foreach (ParameterForm form in forms)
            {
                form.Free();
            }

            forms = [];
            Value.FreeOwn();
            Value = default;
        }
    }

    /// <summary>The plain values; an absent parameter (no bias) gives an absent tensor.</summary>
    public static implicit operator Tensor(Parameter? parameter) => parameter is null ? default : parameter.Value;
}
