using JeDi.Tensors;

namespace JeDi.Cuda.Planning;

/// <summary>An operation by its shapes: what is needed to count its work, or to have somebody else do the same.</summary>
/// <param name="Op">Name of the method of <see cref="Kernels"/>.</param>
/// <param name="Type">Element type of the main input.</param>
/// <param name="Input">Shape of the main input.</param>
/// <param name="Result">Shape of the result.</param>
sealed record OpCall(string Op, DType Type, Shape Input, Shape Result)
{
    /// <summary>Of a product or a convolution: the weight [N, K] or [O, kh, kw, I].</summary>
    public Shape Weight { get; init; }

    /// <summary>Of a convolution.</summary>
    public ConvGeometry Geometry { get; init; }

    /// <summary>Of a product or a norm.</summary>
    public Activation Activation { get; init; }

    /// <summary>Of attention; groups of a group norm.</summary>
    public int Heads { get; init; }

    /// <summary>Keys that a query sees; where sets differ, on average.</summary>
    public long Keys { get; init; }

    /// <summary>Rows of keys in memory.</summary>
    public long KeyRows { get; init; }

    /// <summary>Whether something is added to the result.</summary>
    public bool Residual { get; init; }

    /// <summary>What shapes do not tell, in a word or two.</summary>
    public string Detail => Op switch
    {
        nameof(Kernels.Conv2d) => string.Join(' ', Words((Geometry.Stride > 1, "/2"), (Geometry.Upsample, "x2"), (Residual, "residual"))),
        nameof(Kernels.Gemm) => string.Join(' ', Words((Activation != Activation.None, $"{Activation}"), (Residual, "residual"))),
        nameof(Kernels.Attention) => $"{Heads} heads, {Keys} keys",
        nameof(Kernels.GroupNorm) => string.Join(' ', Words((true, $"{Heads} groups"), (Activation != Activation.None, $"{Activation}"))),
        _ => "",
    };

    public override string ToString() =>
        string.Join(' ', Words((true, Op), (true, $"{Input}"), (Weight.Count > 1, $"{Weight}"), (Detail.Length > 0, Detail)));

    static IEnumerable<string> Words(params (bool Said, string Text)[] words) => words.Where(word => word.Said).Select(word => word.Text);
}
