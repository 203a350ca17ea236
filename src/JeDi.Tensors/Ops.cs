using System.Runtime.CompilerServices;

namespace JeDi.Tensors;

/// <summary>
/// What models call. Each operation stands in one file of <c>Ops/</c>: its shape rule, then the kernel call (training adds the
/// backward closure there). Results come from the arena, or go to <c>into</c> where the caller has made room before opening a scope.
/// </summary>
public sealed partial class Ops(Device device, Arena arena, Kernels? kernels = null, DType compute = DType.F32)
{
    public Device Device { get; } = device;

    public Arena Arena { get; } = arena;

    /// <summary>The device's kernels, or a decorator around them.</summary>
    public Kernels Kernels { get; } = kernels ?? device.Kernels;

    /// <summary>
    /// Element type of activations: F32, F16 or BF16. A result has the type of the operation's main input; numbers from outside come in
    /// through <see cref="PackInput"/>, <see cref="TimestepEmbedding"/>, <see cref="Embed"/> and <see cref="Enter"/>, and leave through
    /// operations with <c>final</c> and through <see cref="Leave"/>. Latents, predictions, key biases and statistics are F32 always.
    /// </summary>
    public DType Compute { get; } = compute;

    public Tensor New(Shape shape, DType type = DType.F32) => Arena.New(shape, type);

    /// <summary>
    /// Room for a result of the compute type (F32 for a final one), made before the scope opens that the result is computed in; to be
    /// handed to an operation as <c>into</c>.
    /// </summary>
    public Tensor Room(Shape shape, bool final = false) => New(shape, final ? DType.F32 : Compute);

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

    Tensor Result(Tensor into, Shape shape, DType type, [CallerMemberName] string op = "")
    {
        if (!into.Exists)
        {
            return New(shape, type);
        }

        return into.Shape == shape && into.DType == type ? into : throw Wrong(op, $"the result is {type}{shape}, the room given is {into}");
    }

    static DType TypeOf(Tensor x, bool final) => final ? DType.F32 : x.DType;

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
