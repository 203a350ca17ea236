using System.Diagnostics;

namespace JeDi.Tensors.Decorators;

/// <summary>Time by operation and result shape: the profile that <c>jedi-native bench</c> prints.</summary>
public sealed class TimedKernels(Kernels inner, Device device) : ObservedKernels(inner)
{
    readonly Dictionary<(string Op, Shape Input, Shape Result), (long Calls, long Ticks)> times = [];

    /// <summary>Calls and seconds by operation, input shape and result shape, slowest first.</summary>
    public IEnumerable<(string Op, Shape Input, Shape Result, long Calls, double Seconds)> Times =>
        times.Select(t => (t.Key.Op, t.Key.Input, t.Key.Result, t.Value.Calls, t.Value.Ticks / (double)Stopwatch.Frequency))
            .OrderByDescending(t => t.Item5);

    /// <summary>Of all operations since the last clearing.</summary>
    public double Seconds => times.Values.Sum(t => t.Ticks) / (double)Stopwatch.Frequency;

    /// <summary>Measures from zero again.</summary>
    public void Clear() => times.Clear();

    /// <inheritdoc/>
    protected override long Enter(string op)
    {
        device.Synchronize();
        return Stopwatch.GetTimestamp();
    }

    /// <inheritdoc/>
    protected override void Leave(string op, long entered, Tensor result, Tensor input)
    {
        device.Synchronize();
        long ticks = Stopwatch.GetTimestamp() - entered;
        (long calls, long sum) = times.GetValueOrDefault((op, input.Shape, result.Shape));
        times[(op, input.Shape, result.Shape)] = (calls + 1, sum + ticks);
    }
}
