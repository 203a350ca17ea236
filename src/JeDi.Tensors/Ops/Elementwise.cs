namespace JeDi.Tensors;

public sealed partial class Ops
{
    /// <summary>a + b; b repeats when it is smaller.</summary>
    public Tensor Add(Tensor a, Tensor b, Tensor into = default)
    {
        Check(b.Count > 0 && a.Count % b.Count == 0, $"a {a.Shape} against b {b.Shape}");
        Tensor y = Result(into, a.Shape, a.DType);
        if (Tape is null)
        {
            Kernels.Add(y, a, b);
        }
        else
        {
            Add(Tape, y, a, b);
        }

        return y;
    }

    /// <summary>a + the values of a parameter, which repeat (positions).</summary>
    public Tensor Add(Tensor a, Parameter b, Tensor into = default)
    {
        Check(b.Shape.Count > 0 && a.Count % b.Shape.Count == 0, $"a {a.Shape} against '{b.Name}' {b.Shape}");
        Tensor y = Result(into, a.Shape, a.DType);
        if (Tape is null)
        {
            Kernels.Add(y, a, b);
        }
        else
        {
            Add(Tape, y, a, b.Value);
        }

        return y;
    }

    /// <summary>[a, b] along the last dimension; one of them may have a single row, which repeats.</summary>
    public Tensor Concat(Tensor a, Tensor b, Tensor into = default)
    {
        Shape like = a.Shape.RowCount >= b.Shape.RowCount ? a.Shape : b.Shape;
        Check(a.Shape.RowCount == b.Shape.RowCount || a.Shape.RowCount == 1 || b.Shape.RowCount == 1, $"a {a.Shape} beside b {b.Shape}");
        Tensor y = Result(into, like.WithLast(a.Shape[-1] + b.Shape[-1]), a.DType);
        if (Tape is null)
        {
            Kernels.Concat(y, a, b);
        }
        else
        {
            Concat(Tape, y, a, b);
        }

        return y;
    }

    /// <summary>table[ids]: [.., entry] of the table's leading dimension.</summary>
    public Tensor Embed(Tensor table, Tensor ids, Tensor into = default)
    {
        Check(ids.DType == DType.I32, $"ids are {ids}");
        Shape shape = table.Shape.WithFirst((int)ids.Count);
        Tensor y = Result(into, shape, table.DType);
        if (Tape is null)
        {
            Kernels.Embed(y, table, ids);
        }
        else
        {
            Embed(Tape, y, table, ids);
        }

        return y;
    }

    /// <summary>The same for a learned table, whatever type it is kept in: [.., entry] of the compute type.</summary>
    public Tensor Embed(Parameter table, Tensor ids, Tensor into = default)
    {
        Check(ids.DType == DType.I32, $"ids are {ids}");
        Check(table.Kind == ParameterKind.Table, $"'{table.Name}' was loaded as {table.Kind}");
        Tensor y = Result(into, table.Shape.WithFirst((int)ids.Count), Compute);
        if (Tape is null)
        {
            Kernels.Embed(y, table, ids);
        }
        else
        {
            Embed(Tape, y, table, ids);
        }

        return y;
    }

    /// <summary>Sinusoids of the timesteps t [B], F32: [B, dim] of the compute type.</summary>
    public Tensor TimestepEmbedding(Tensor t, int dim, Tensor into = default)
    {
        Check(dim % 2 == 0, $"{dim} is odd");
        Tensor y = Result(into, [(int)t.Count, dim], Compute);
        if (Tape is null)
        {
            Kernels.TimestepEmbedding(y, t);
        }
        else
        {
            TimestepEmbedding(Tape, y, t);
        }

        return y;
    }

    /// <summary>into = sum of c[i] x[i].</summary>
    public void Combine(Tensor into, Tensor c, params ReadOnlySpan<Tensor> x)
    {
        Check(c.Count == x.Length, $"{c.Shape} coefficients for {x.Length} tensors");
        foreach (Tensor term in x)
        {
            Check(term.Count == into.Count, $"a term {term.Shape} of the result {into.Shape}");
        }

        if (Tape is null)
        {
            Kernels.Combine(into, c, x);
        }
        else
        {
            Combine(Tape, into, c, [.. x]);
        }
    }

    /// <summary>The U-Net's input [B, H, W, 4 or 9], of the compute type, of F32 latents.</summary>
    public Tensor PackInput(Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout, Tensor into = default)
    {
        int channels = layout == InputLayout.Noisy ? noisy.Shape[3] : 2 * noisy.Shape[3] + 1;
        Check(layout == InputLayout.Noisy || (clean.Shape == noisy.Shape && mask.Count == noisy.Shape[0]),
            $"noisy {noisy.Shape}, clean {clean.Shape}, mask {mask.Shape}");
        Tensor y = Result(into, noisy.Shape.WithLast(channels), Compute);
        if (Tape is null)
        {
            Kernels.PackInput(y, noisy, clean, mask, scale, layout);
        }
        else
        {
            PackInput(Tape, y, noisy, clean, mask, scale, layout);
        }

        return y;
    }

    /// <summary>guided, scaled towards the standard deviation of the conditional prediction, per image.</summary>
    public Tensor Rescale(Tensor guided, Tensor conditional, Tensor amount, Tensor into = default)
    {
        Check(guided.Shape == conditional.Shape, $"guided {guided.Shape} against {conditional.Shape}");
        Tensor y = Result(into, guided.Shape, DType.F32);
        Kernels.Rescale(y, guided, conditional, amount);
        return y;
    }

    /// <summary>mask a + (1 - mask) b.</summary>
    public Tensor Blend(Tensor mask, Tensor a, Tensor b, Tensor into = default)
    {
        Check(a.Shape == b.Shape && mask.Count == a.Shape.RowCount, $"mask {mask.Shape}, a {a.Shape}, b {b.Shape}");
        Tensor y = Result(into, a.Shape, DType.F32);
        if (Tape is null)
        {
            Kernels.Blend(y, mask, a, b);
        }
        else
        {
            Blend(Tape, y, mask, a, b);
        }

        return y;
    }

    /// <summary>Mean and log-variance (held within -30 .. 20) of moments [B, H, W, 2C]: each F32 [B, H, W, C].</summary>
    public (Tensor Mean, Tensor LogVariance) SplitMoments(Tensor moments, Tensor intoMean = default, Tensor intoLogVariance = default)
    {
        Check(moments.Shape[-1] % 2 == 0, $"moments {moments.Shape} are not means and log-variances");
        Shape shape = moments.Shape.WithLast(moments.Shape[-1] / 2);
        Tensor mean = Result(intoMean, shape, DType.F32);
        Tensor logVariance = Result(intoLogVariance, shape, DType.F32);
        if (Tape is null)
        {
            Kernels.SplitMoments(mean, logVariance, moments);
        }
        else
        {
            SplitMoments(Tape, mean, logVariance, moments);
        }

        return (mean, logVariance);
    }

    /// <summary>into = x, converted where the element types differ; with a limit, limit tanh(x / limit).</summary>
    public void Copy(Tensor into, Tensor x, float limit = 0)
    {
        Check(into.Count == x.Count, $"{x} into {into}");
        if (Tape is null)
        {
            Kernels.Copy(into, x, limit);
        }
        else
        {
            Copy(Tape, into, x, limit);
        }
    }

    /// <summary>F32 numbers from outside (pixels, latents, texts) in the compute type: x itself where that is F32.</summary>
    /// <param name="limit">Above 0, numbers are held within it: limit tanh(x / limit).</param>
    public Tensor Enter(Tensor x, float limit = 0) => Converted(x, Compute, limit);

    /// <summary>x as F32: x itself where it is.</summary>
    public Tensor Leave(Tensor x) => Converted(x, DType.F32);

    Tensor Converted(Tensor x, DType type, float limit = 0)
    {
        if (x.DType == type && limit == 0)
        {
            return x;
        }

        Tensor y = New(x.Shape, type);
        Copy(y, x, limit);
        return y;
    }
}
