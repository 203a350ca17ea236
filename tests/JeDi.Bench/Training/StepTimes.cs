using System.Diagnostics;
using JeDi.Tensors;
using JeDi.Tensors.Decorators;

namespace JeDi.Bench.Training;

/// <summary>
/// Time by operation of a training step: of each operation and shape the least of all steps, summed over its calls. And when the step's
/// parts began and ended.
/// </summary>
sealed class StepTimes(Kernels inner) : ObservedKernels(inner)
{
    readonly Dictionary<(string Op, Shape Input, Shape Result), (int Calls, long Ticks)> step = [];
    readonly Dictionary<(string Op, Shape Input, Shape Result), (int Calls, long Ticks)> least = [];
    long first;
    long loss;
    long last;

    /// <summary>Operations, slowest first: milliseconds of all calls of a step.</summary>
    public IReadOnlyList<(string Op, Shape Input, Shape Result, int Calls, double Milliseconds)> Rows =>
        [.. least.Select(one => (one.Key.Op, one.Key.Input, one.Key.Result, one.Value.Calls, Milliseconds(one.Value.Ticks)))
            .OrderByDescending(row => row.Item5)];

    /// <summary>From the first operation of the step to its loss: the taped forward.</summary>
    public double Forward => Milliseconds(loss - first);

    /// <summary>Before the first operation: the batch, its noise and its way to the device.</summary>
    public double Before(long begun) => Milliseconds(first - begun);

    /// <summary>After the last operation: the forms of all weights.</summary>
    public double After(long ended) => Milliseconds(ended - last);

    /// <summary>All operations of the step.</summary>
    public double Kernels => Milliseconds(step.Values.Sum(one => one.Ticks));

    public static double Milliseconds(long ticks) => 1000.0 * ticks / Stopwatch.Frequency;

    public void Begin()
    {
        step.Clear();
        first = 0;
    }

    public void End()
    {
        foreach ((string Op, Shape Input, Shape Result) gone in least.Keys.Where(key => !step.ContainsKey(key)).ToArray())
        {
            least.Remove(gone);
        }

        foreach (((string Op, Shape Input, Shape Result) key, (int calls, long ticks)) in step)
        {
            least[key] = least.TryGetValue(key, out (int Calls, long Ticks) before) && before.Ticks < ticks ? before : (calls, ticks);
        }
    }

    /// <summary>What a device does beside its kernels.</summary>
    public void Fill(Device device, Tensor tensor, byte value)
    {
        long entered = Enter("Fill");
        device.Fill(tensor, value);
        Leave("Fill", entered, tensor, tensor);
    }

    protected override long Enter(string op)
    {
        long now = Stopwatch.GetTimestamp();
        first = first == 0 ? now : first;
        return now;
    }

    protected override void Leave(string op, long entered, Tensor result, Tensor input)
    {
        last = Stopwatch.GetTimestamp();
        loss = op == "SquaredError" ? last : loss;
        (string, Shape, Shape) key = (op, input.Shape, result.Shape);
        (int calls, long ticks) = step.GetValueOrDefault(key);
        step[key] = (calls + 1, ticks + last - entered);
    }
}
