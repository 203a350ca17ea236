namespace JeDi.Tensors;

/// <summary>
/// A low-rank change of a weight that stays as it is (Hu et al. 2022): w + scale up down. It hangs on the weight's
/// <see cref="Parameter.Adapter"/>, and <c>Ops.Linear</c> and <c>Ops.Conv2d</c> compute the two small products beside the
/// large one.
/// </summary>
public sealed class Adapter
{
    /// <param name="of">The weight [N, K] or filter [O, k, k, I].</param>
    /// <param name="down">[rank, K] or filter [rank, k, k, I].</param>
    /// <param name="up">[N, rank].</param>
    /// <param name="scale">F32 [1], on the device.</param>
    public Adapter(Parameter of, Parameter down, Parameter up, Tensor scale)
    {
        Rank = down.Shape[0];
        bool fits = down.Shape.WithFirst(of.Shape[0]) == of.Shape && up.Shape == Shape.Create([of.Shape[0], Rank]);
        (Down, Up, Scale) = fits
            ? (down, up, scale)
            : throw new ArgumentException($"the adapter {down.Shape}, {up.Shape} does not fit '{of.Name}' {of.Shape}");
    }

    /// <summary>Of the change: rows of the first matrix.</summary>
    public int Rank { get; }

    /// <summary>The first matrix, from the inputs to the rank.</summary>
    public Parameter Down { get; }

    /// <summary>The second, from the rank to the outputs.</summary>
    public Parameter Up { get; }

    /// <summary>F32 [1]: what the change is multiplied by.</summary>
    public Tensor Scale { get; }

    /// <summary>Shapes of down and up for a weight.</summary>
    public static (Shape Down, Shape Up) Shapes(Parameter of, int rank) => (of.Shape.WithFirst(rank), [of.Shape[0], rank]);
}
