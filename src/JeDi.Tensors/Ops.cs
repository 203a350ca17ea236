using System.Runtime.CompilerServices;

namespace JeDi.Tensors;

/// <summary>
/// What models call. Each operation stands in one file of <c>Ops/</c>: its shape rule, the kernel call, and for training how gradients go
/// back through it. Results come from the arena, or go to <c>into</c> where the caller has made room before opening a scope: a hint, which
/// is declined with a tape. What counts is what an operation returns.
/// </summary>
/// <param name="tape">Notes everything for <see cref="Tensors.Tape.Backward"/>; null: nothing learns.</param>
public sealed partial class Ops(
    Device device, Arena arena, Kernels? kernels = null, DType compute = DType.F32, Tape? tape = null)
{
    /// <summary>Where it computes.</summary>
    public Device Device { get; } = device;

    /// <summary>Where results are kept.</summary>
    public Arena Arena { get; } = arena;

    /// <summary>The device's kernels, or a decorator around them.</summary>
    public Kernels Kernels { get; } = kernels ?? device.Kernels;

    /// <summary>
    /// Element type of activations: F32, F16 or BF16. A result has the type of the operation's main input; numbers from outside come in
    /// through <c>PackInput</c>, <c>TimestepEmbedding</c>, <c>Embed</c> and <see cref="Enter"/>, and leave through
    /// operations with <c>final</c> and through <see cref="Leave"/>. Latents, predictions, key biases and statistics are F32 always.
    /// </summary>
    public DType Compute { get; } = compute;

    /// <summary>Whether models compute their blocks by <see cref="Checkpoint(Tensor, Shape, Func{Tensor, Tensor})"/>.</summary>
    public bool Checkpoints { get; init; }

    /// <summary>Present in training.</summary>
    public Tape? Tape { get; } = tape;

    /// <summary>Room for a tensor, which holds whatever was there.</summary>
    public Tensor New(Shape shape, DType type = DType.F32) => Arena.New(shape, type);

    /// <summary>
    /// Room for a result of the compute type (F32 for a final one), made before the scope opens that the result is computed in; to be
    /// handed to an operation as <c>into</c>. Absent with a tape.
    /// </summary>
    public Tensor Room(Shape shape, bool final = false) => Tape is null ? New(shape, final ? DType.F32 : Compute) : default;

    /// <summary>Temporaries made after this call are released at its end; with a tape they stay for the way back.</summary>
    public ArenaScope Scope() => Tape is null ? Arena.Scope() : default;

    /// <summary>
    /// block(x) of the shape <paramref name="result"/>. With a tape only the result is kept, and on the way back the block is computed
    /// again: less memory, equal bits.
    /// </summary>
    public Tensor Checkpoint(Tensor x, Shape result, Func<Tensor, Tensor> block) =>
        Tape is null ? block(x) : Checkpoint(Tape, x, result, block);

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
        if (!into.Exists || Tape is not null)
        {
            return New(shape, type);
        }

        return into.Shape == shape && into.DType == type ? into : throw Wrong(op, $"the result is {type}{shape}, the room given is {into}");
    }

    Tensor Checkpoint(Tape tape, Tensor x, Shape result, Func<Tensor, Tensor> block)
    {
        Tensor y = New(result, Compute);
        bool wanted;
        using (Arena.Scope())
        {
            wanted = tape.Forget(() =>
            {
                Tensor computed = block(x);
                tape.Run(() => Kernels.Copy(y, computed));
                return computed;
            });
        }

        if (wanted)
        {
            tape.Note(y, dy =>
            {
                using ArenaScope scope = Arena.Scope();
                tape.Again(() => block(x), dy);
            });
        }

        return y;
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
