namespace JeDi.Tensors.Decorators;

/// <summary>Counts operations and the elements of their results: a step's launches as a number that a test can assert.</summary>
public sealed class CountedKernels(Kernels inner) : ObservedKernels(inner)
{
    readonly SortedDictionary<string, (long Calls, long Elements)> counts = [];

    /// <summary>Calls and result elements by operation.</summary>
    public IReadOnlyDictionary<string, (long Calls, long Elements)> Counts => counts;

    /// <summary>Since the last clearing.</summary>
    public long Calls => counts.Values.Sum(count => count.Calls);

    /// <summary>Counts from zero again.</summary>
    public void Clear() => counts.Clear();

    /// <inheritdoc/>
    protected override long Enter(string op) => 0;

    /// <inheritdoc/>
    protected override void Leave(string op, long entered, Tensor result, Tensor input)
    {
        (long calls, long elements) = counts.GetValueOrDefault(op);
        counts[op] = (calls + 1, elements + result.Count);
    }
}
