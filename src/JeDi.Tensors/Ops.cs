using System.Runtime.CompilerServices;

namespace JeDi.Tensors;

/// <summary>
/// What models call. Each operation stands in one file of <c>Ops/</c>: its shape rule, then the kernel call (training adds the
/// backward closure there). Results come from the arena, or go to <c>into</c> where the caller has made room before opening a scope.
/// </summary>
public sealed partial class Ops(Device device, Arena arena, Kernels? kernels = null)
{
    public Device Device { get; } = device;

    public Arena Arena { get; } = arena;

    /// <summary>The device's kernels, or a decorator around them.</summary>
    public Kernels Kernels { get; } = kernels ?? device.Kernels;

    public Tensor New(Shape shape, DType type = DType.F32) => Arena.New(shape, type);

    /// <summary>Temporaries made after this call are released at its end.</summary>
    public ArenaScope Scope() => Arena.Scope();

    /// <summary>Host values as a new tensor.</summary>
    public Tensor From<T>(Shape shape, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        Tensor tensor = New(shape, typeof(T) == typeof(int) ? DType.I32 : DType.F32);
        Device.Write(tensor, values);
        return tensor;
    }

    Tensor Result(Tensor into, Shape shape, [CallerMemberName] string op = "")
    {
        if (!into.Exists)
        {
            return New(shape);
        }

        return into.Shape == shape ? into : throw Wrong(op, $"the result is {shape}, the room given is {into.Shape}");
    }

    static void Check(bool right, [InterpolatedStringHandlerArgument(nameof(right))] ref WrongShapes message,
        [CallerMemberName] string op = "")
    {
        if (!right)
        {
            throw Wrong(op, message.ToString());
        }
    }

    static ArgumentException Wrong(string op, string message) => new($"{op}: {message}");

    /// <summary>Formats the message only when a check fails: a step allocates nothing.</summary>
    [InterpolatedStringHandler]
    ref struct WrongShapes
    {
        DefaultInterpolatedStringHandler inner;

        public WrongShapes(int literalLength, int formattedCount, bool right, out bool enabled)
        {
            enabled = !right;
            inner = right ? default : new DefaultInterpolatedStringHandler(literalLength, formattedCount);
        }

        public void AppendLiteral(string text) => inner.AppendLiteral(text);

        public void AppendFormatted<T>(T value) => inner.AppendFormatted(value);

        public override string ToString() => inner.ToStringAndClear();
    }
}
