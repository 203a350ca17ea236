namespace JeDi;

/// <summary>What can be said of arguments before anything runs: null, outside of every range, no value of their type.</summary>
static class Arguments
{
    /// <exception cref="ArgumentOutOfRangeException">It is outside.</exception>
    public static void Between(double value, double least, double most, string name)
    {
        // Not the other way round: NaN is outside.
        if (!(value >= least && value <= most))
        {
            throw new ArgumentOutOfRangeException(
                name, FormattableString.Invariant($"{value} is out of range, {least} to {most} is possible"));
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">It is outside.</exception>
    public static void AtLeast(long value, long least, string name)
    {
        if (value < least)
        {
            throw new ArgumentOutOfRangeException(name, $"{value} is out of range, {least} or more is possible");
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">They are no part of a whole: 0 &lt;= start &lt; end &lt;= 1.</exception>
    public static void Share(double start, double end, string startName, string endName)
    {
        Between(start, 0, 1, startName);
        Between(end, 0, 1, endName);
        if (start >= end)
        {
            throw new ArgumentOutOfRangeException(
                endName, FormattableString.Invariant($"{end} does not lie behind {startName} {start}; 0 <= {startName} < {endName} <= 1"));
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">It is no value of its type.</exception>
    public static void Defined<T>(T value, string name)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            throw new ArgumentOutOfRangeException(name, $"{value} is none of {string.Join(", ", Enum.GetNames<T>())}");
        }
    }

    /// <exception cref="ArgumentException">An entry is null.</exception>
    public static void NoNulls<T>(IReadOnlyList<T>? list, string name)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(list, name);
        if (list.Any(entry => entry is null))
        {
            throw new ArgumentException("an entry is null", name);
        }
    }

    /// <exception cref="ArgumentException">It is a path, and empty.</exception>
    public static void NotEmpty(string? path, string name)
    {
        if (path is { Length: 0 })
        {
            throw new ArgumentException("is empty", name);
        }
    }

    /// <exception cref="ArgumentException">Another model, another size or other chunks made it.</exception>
    public static void Fits(float[]? kept, int count, string name)
    {
        if (kept is not null && kept.Length != count)
        {
            throw new ArgumentException($"has {kept.Length} numbers, {count} are taken; it is of another model, size or length", name);
        }
    }

    /// <exception cref="ArgumentException">It is NaN or infinite.</exception>
    public static void Finite(double? value, string name)
    {
        if (value is double number && !double.IsFinite(number))
        {
            throw new ArgumentException($"{number} is no finite number", name);
        }
    }
}
