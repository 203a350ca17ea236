using System.Numerics;
using System.Runtime.InteropServices;
using JeDi.Tensors;

namespace JeDi.Tests.Operations;

/// <summary>
/// A device whose every number is a <typeparamref name="T"/>, computed by plain loops: in double the networks as they are written in
/// JeDi.Models are their own reference; in float they say what single precision does to them.
/// </summary>
/// <remarks>Memory is one array; an address is four times an index, as tensors count bytes of single precision.</remarks>
sealed class PlainDevice<T> : Device where T : IFloatingPointIeee754<T>
{
    T[] numbers = new T[64];
    int used = 64;

    public override string Name => $"plain loops in {typeof(T).Name}";

    public override Kernels Kernels => new PlainKernels<T>(this);

    public override Gradients Gradients => new PlainLosses<T>(this);

    public override long AvailableBytes => long.MaxValue;

    /// <summary>The numbers of a tensor, to be read and written; until the next allocation.</summary>
    public Span<T> Of(Tensor tensor) =>
        tensor.Exists ? numbers.AsSpan((int)(tensor.Address / sizeof(float)), checked((int)tensor.Count)) : [];

    /// <summary>A copy of them.</summary>
    public T[] Take(Tensor tensor) => Of(tensor).ToArray();

    /// <summary>The same; null for an absent tensor.</summary>
    public T[]? TakeOrNull(Tensor tensor) => tensor.Exists ? Take(tensor) : null;

    public override DeviceMemory Allocate(long bytes)
    {
        int first = used;
        used = checked(used + (int)(bytes / sizeof(float)));
        if (used > numbers.Length)
        {
            Array.Resize(ref numbers, Math.Max(used, numbers.Length * 2));
        }

        return new DeviceMemory(this, first * sizeof(float), bytes);
    }

    /// <summary>Memory is not used again: networks of tests are small.</summary>
    public override void Free(DeviceMemory memory)
    {
    }

    public override void Fill(Tensor tensor, byte value) => Of(tensor).Fill(value == 0 ? T.Zero : T.NaN);

    public override void Synchronize()
    {
    }

    public override Replay Record(Action step) => throw new NotSupportedException();

    public override void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop = default)
    {
        foreach (WantedParameter one in wanted)
        {
            Parameter parameter = one.Parameter;
            if (!parameter.Value.Exists)
            {
                parameter.Value = new Tensor(Allocate(parameter.Shape.Count * sizeof(float)), 0, parameter.Shape, DType.F32);
            }

            Assert.That(one.Type, Is.EqualTo(DType.F32), $"{parameter.Name} is not stored in single precision");
            var values = new float[parameter.Shape.Count];
            one.Read(0, MemoryMarshal.AsBytes(values.AsSpan()));
            Span<T> to = Of(parameter.Value);
            int channels = one.Columns / one.Taps;
            for (int i = 0; i < values.Length; i++)
            {
                // [O, I, taps] to [O, taps, I].
                int column = i % one.Columns;
                to[i - column + column % one.Taps * channels + column / one.Taps] = T.CreateChecked(values[i]);
            }
        }
    }

    public override long ParameterBytes(ParameterKind kind, Shape shape, DType stored) => shape.Count * sizeof(float);

    public override void Dispose()
    {
    }

    protected override void CopyIn(Tensor destination, ReadOnlySpan<byte> source)
    {
        Span<T> to = Of(destination);
        for (int i = 0; i < to.Length; i++)
        {
            ReadOnlySpan<byte> four = source.Slice(i * sizeof(float), sizeof(float));
            to[i] = destination.DType == DType.I32
                ? T.CreateChecked(MemoryMarshal.Read<int>(four))
                : T.CreateChecked(MemoryMarshal.Read<float>(four));
        }
    }

    protected override void CopyOut(Span<byte> destination, Tensor source)
    {
        Span<T> from = Of(source);
        for (int i = 0; i < from.Length; i++)
        {
            Span<byte> four = destination.Slice(i * sizeof(float), sizeof(float));
            if (source.DType == DType.I32)
            {
                MemoryMarshal.Write(four, int.CreateChecked(from[i]));
            }
            else
            {
                MemoryMarshal.Write(four, float.CreateChecked(from[i]));
            }
        }
    }
}
