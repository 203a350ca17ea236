using System.Collections;
using System.Runtime.CompilerServices;

namespace JeDi.Tensors;

/// <summary>Up to five dimensions, outermost first; a value without any heap memory: <c>Shape s = [2, 64, 64, 320];</c>.</summary>
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IEquatable<Shape>, IEnumerable<int>
{
    /// <summary>Most dimensions.</summary>
    public const int MaxRank = 5;

    readonly Dimensions dimensions;

    Shape(ReadOnlySpan<int> values)
    {
        if (values.Length > MaxRank)
        {
            throw new ArgumentException($"a shape has at most {MaxRank} dimensions, got {values.Length}");
        }

        Rank = values.Length;
        long count = 1;
        for (int i = 0; i < values.Length; i++)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(values[i]);
            dimensions[i] = values[i];
            count = checked(count * values[i]);
        }

        Count = count;
    }

    /// <summary>Dimensions.</summary>
    public int Rank { get; }

    /// <summary>Number of elements: the product of all dimensions.</summary>
    public long Count { get; }

    /// <summary>Dimension <paramref name="index"/>; negative counts from the end, -1 is the innermost.</summary>
    public int this[int index]
    {
        get
        {
            int i = index < 0 ? index + Rank : index;
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)i, (uint)Rank, nameof(index));
            return dimensions[i];
        }
    }

    /// <summary>All dimensions but the last, multiplied: the rows of the tensor seen as a matrix.</summary>
    public long RowCount => this[-1] == 0 ? 0 : Count / this[-1];

    /// <summary>For collection expressions.</summary>
    public static Shape Create(ReadOnlySpan<int> values) => new(values);

    /// <summary>The same shape with another leading dimension.</summary>
    public Shape WithFirst(int first)
    {
        Dimensions d = dimensions;
        d[0] = first;
        return new Shape(((ReadOnlySpan<int>)d)[..Rank]);
    }

    /// <summary>The same shape with another innermost dimension.</summary>
    public Shape WithLast(int last)
    {
        Dimensions d = dimensions;
        d[Rank - 1] = last;
        return new Shape(((ReadOnlySpan<int>)d)[..Rank]);
    }

    /// <inheritdoc/>
    public bool Equals(Shape other) => Rank == other.Rank && ((ReadOnlySpan<int>)dimensions).SequenceEqual(other.dimensions);

    /// <inheritdoc/>
    public override bool Equals(object? other) => other is Shape shape && Equals(shape);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Rank, Count, dimensions[0], dimensions[1]);

    /// <summary>Such as [1, 64, 64, 4].</summary>
    public override string ToString() => $"[{string.Join(", ", this)}]";

    /// <summary>The same dimensions.</summary>
    public static bool operator ==(Shape a, Shape b) => a.Equals(b);

    /// <summary>Other dimensions.</summary>
    public static bool operator !=(Shape a, Shape b) => !a.Equals(b);

    /// <summary>Dimension by dimension.</summary>
    public IEnumerator<int> GetEnumerator()
    {
        for (int i = 0; i < Rank; i++)
        {
            yield return dimensions[i];
        }
    }

    /// <summary>Dimension by dimension.</summary>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    [InlineArray(MaxRank)]
    struct Dimensions
    {
        int first;
    }
}
