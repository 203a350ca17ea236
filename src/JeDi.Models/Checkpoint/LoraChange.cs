namespace JeDi.Models;

/// <summary>A tensor of a LoRA file.</summary>
sealed record LoraTensor(string Name, int[] Shape, float[] Values)
{
    /// <summary>First dimension.</summary>
    public int Rows => Shape.Length == 0 ? 1 : Shape[0];

    /// <summary>All other dimensions.</summary>
    public int Columns => Rows == 0 ? 0 : Values.Length / Rows;
}

/// <summary>
/// The change of one weight: scale times a matrix, and for DoRA the magnitudes that the changed weight is brought to afterwards.
/// </summary>
/// <param name="Delta">Before the scale.</param>
/// <param name="Scale">alpha / rank, or what the file says instead.</param>
/// <param name="Magnitudes">Length of each row, or of each column, of the changed weight; null: as it comes.</param>
/// <param name="OfColumns">The magnitudes are those of the inputs.</param>
sealed record LoraChange(LoraDelta Delta, float Scale, float[]? Magnitudes = null, bool OfColumns = false);

/// <summary>The parts of a module's change, brought together.</summary>
sealed class LoraModule(string path, string module)
{
    readonly Dictionary<LoraPart, LoraTensor> parts = [];

    /// <summary>Name of the module in the folder form.</summary>
    public string Module => module;

    public bool Has(LoraPart part) => parts.ContainsKey(part);

    /// <exception cref="CheckpointException">The part is there already, or empty.</exception>
    public void Add(LoraPart part, LoraTensor tensor)
    {
        if (tensor.Values.Length == 0 || !parts.TryAdd(part, tensor))
        {
            throw new CheckpointException($"{path}: '{tensor.Name}' is empty or says again what another name says");
        }
    }

    /// <summary>The change of the module's bias, or null.</summary>
    public LoraChange? OfBias(Func<int, double?> scaleOfRank) =>
        parts.TryGetValue(LoraPart.DiffBias, out LoraTensor? bias) ? new LoraChange(Vector(bias), 1)
        : parts.TryGetValue(LoraPart.UpBias, out bias) ? new LoraChange(Vector(bias), Scale(Part(LoraPart.Down).Rows, scaleOfRank))
        : null;

    /// <summary>The change of the module's weight, or null.</summary>
    /// <param name="shape">Of the weight.</param>
    /// <param name="scaleOfRank">The scale at a rank where the tensors say none.</param>
    /// <exception cref="CheckpointException">A part is missing or has another size.</exception>
    public LoraChange? OfWeight(IReadOnlyList<int> shape, Func<int, double?> scaleOfRank)
    {
        (LoraDelta? delta, int? rank) = Delta(shape);
        if (delta is null)
        {
            return null;
        }

        int columns = shape.Skip(1).Aggregate(1, (product, size) => product * size);
        if (delta.Rows != shape[0] || delta.Columns != columns)
        {
            string sizes = string.Join(", ", parts.Values.Select(part => $"[{string.Join(", ", part.Shape)}]"));
            throw new CheckpointException($"{path}: the factors for '{module}' [{string.Join(", ", shape)}] have the sizes {sizes}; "
                + "is it a LoRA for another size of model?");
        }

        float scale = rank is int r ? Scale(r, scaleOfRank) : 1;
        LoraTensor? dora = parts.GetValueOrDefault(LoraPart.Magnitude) ?? parts.GetValueOrDefault(LoraPart.DoraScale);
        if (dora is null)
        {
            return new LoraChange(delta, scale);
        }

        bool ofColumns = dora.Shape.Length > 1 && dora.Shape[0] == 1 && Has(LoraPart.DoraScale);
        int wanted = ofColumns ? shape[1] : shape[0];
        return dora.Values.Length == wanted ? new LoraChange(delta, scale, dora.Values, ofColumns)
            : throw new CheckpointException($"{path}: '{dora.Name}' has {dora.Values.Length} magnitudes, the weight takes {wanted}");
    }

    (LoraDelta? Delta, int? Rank) Delta(IReadOnlyList<int> shape)
    {
        if (Has(LoraPart.Down) || Has(LoraPart.Up))
        {
            LoraTensor down = Part(LoraPart.Down);
            LoraTensor up = Part(LoraPart.Up);
            LoraTensor wide = parts.TryGetValue(LoraPart.Mid, out LoraTensor? mid) ? Spread(mid, down) : down;
            return (Multiply(up, wide), down.Rows);
        }

        if (Has(LoraPart.HadaW1A))
        {
            LoraDelta first = Factors(LoraPart.HadaW1A, LoraPart.HadaW1B, LoraPart.HadaT1);
            LoraDelta second = Factors(LoraPart.HadaW2A, LoraPart.HadaW2B, LoraPart.HadaT2);
            return (first.Rows, first.Columns) == (second.Rows, second.Columns)
                ? (new Hadamard(first, second), Part(LoraPart.HadaW1B).Rows)
                : throw Misfit(Part(LoraPart.HadaW2A));
        }

        if (Has(LoraPart.LokrW1) || Has(LoraPart.LokrW1A))
        {
            bool small = Has(LoraPart.LokrW1);
            bool large = Has(LoraPart.LokrW2);
            LoraDelta first = small ? Matrix(Part(LoraPart.LokrW1)) : Factors(LoraPart.LokrW1A, LoraPart.LokrW1B, null);
            LoraDelta second = large ? Matrix(Part(LoraPart.LokrW2)) : Factors(LoraPart.LokrW2A, LoraPart.LokrW2B, LoraPart.LokrT2);
            int? rank = !large ? Part(LoraPart.LokrW2B).Rows : !small ? Part(LoraPart.LokrW1B).Rows : null;
            return (new Kronecker(first, second), rank);
        }

        return parts.TryGetValue(LoraPart.Diff, out LoraTensor? diff)
            ? (new Full(shape[0], diff.Values.Length / Math.Max(1, shape[0]), diff.Values), null)
            : parts.Keys.Any(part => part is not (LoraPart.DiffBias or LoraPart.Alpha)) ? throw Missing() : (null, null);
    }

    /// <summary>a [rows, r] times b [r, columns]; with a core t [r, r, k, k] a is [r, rows] and b [r, inputs].</summary>
    LoraDelta Factors(LoraPart a, LoraPart b, LoraPart? core)
    {
        LoraTensor left = Part(a);
        LoraTensor right = Part(b);
        if (core is not LoraPart part || !parts.TryGetValue(part, out LoraTensor? t))
        {
            return Multiply(left, right);
        }

        var turned = new float[left.Values.Length];
        for (int i = 0; i < turned.Length; i++)
        {
            turned[i % left.Columns * left.Rows + i / left.Columns] = left.Values[i];
        }

        return Multiply(new LoraTensor(left.Name, [left.Columns, left.Rows], turned), Spread(t, right));
    }

    /// <summary>out[p, i, k] = sum over q of core[p, q, k] narrow[q, i]: a 1x1 filter, then one of k x k, as one filter.</summary>
    LoraTensor Spread(LoraTensor core, LoraTensor narrow)
    {
        if (core.Shape.Length != 4 || core.Shape[1] != narrow.Rows)
        {
            throw Misfit(core);
        }

        int area = core.Shape[2] * core.Shape[3];
        (int outputs, int inner, int inputs) = (core.Shape[0], core.Shape[1], narrow.Columns);
        var wide = new float[outputs * inputs * area];
        for (int p = 0; p < outputs; p++)
        {
            for (int i = 0; i < inputs; i++)
            {
                for (int k = 0; k < area; k++)
                {
                    double sum = 0;
                    for (int q = 0; q < inner; q++)
                    {
                        sum += (double)core.Values[(p * inner + q) * area + k] * narrow.Values[q * inputs + i];
                    }

                    wide[(p * inputs + i) * area + k] = (float)sum;
                }
            }
        }

        return new LoraTensor(core.Name, [outputs, inputs, core.Shape[2], core.Shape[3]], wide);
    }

    Product Multiply(LoraTensor up, LoraTensor down) => up.Columns == down.Rows && up.Columns > 0
        ? new Product(up.Rows, down.Columns, down.Rows, up.Values, down.Values)
        : throw Misfit(up);

    static Full Matrix(LoraTensor tensor) => new(tensor.Rows, tensor.Columns, tensor.Values);

    static Full Vector(LoraTensor tensor) => new(tensor.Values.Length, 1, tensor.Values);

    float Scale(int rank, Func<int, double?> otherwise) =>
        (float)(parts.TryGetValue(LoraPart.Alpha, out LoraTensor? alpha) ? alpha.Values[0] / rank : otherwise(rank) ?? 1);

    LoraTensor Part(LoraPart part) => parts.GetValueOrDefault(part) ?? throw Missing();

    CheckpointException Missing() => new($"{path}: of the factors for '{module}' one is missing "
        + $"(there are {string.Join(", ", parts.Values.Select(part => $"'{part.Name}'"))})");

    CheckpointException Misfit(LoraTensor tensor) =>
        new($"{path}: '{tensor.Name}' [{string.Join(", ", tensor.Shape)}] does not fit the other factors of its module");
}
