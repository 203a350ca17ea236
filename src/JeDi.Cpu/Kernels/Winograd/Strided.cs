using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>Registers in memory, by number.</summary>
interface ISource<V> where V : unmanaged, ISimd<V>
{
    V Get(int index);
}

/// <summary>Registers a fixed number of floats apart.</summary>
readonly unsafe struct Strided<V>(float* first, nint step) : ISource<V> where V : unmanaged, ISimd<V>
{
    readonly float* first = first;

    /// <summary>Every <paramref name="every"/>-th from that number on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Strided<V> From(int index, int every) => new(first + index * step, every * step);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Get(int index) => V.Load(first + index * step);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Set(int index, V value) => value.Store(first + index * step);
}

/// <summary>The same channels of pixels that lie anywhere: every <c>step</c>-th of a list.</summary>
readonly unsafe struct Pixels<V>(float** pixels, int step, nint channel) : ISource<V> where V : unmanaged, ISimd<V>
{
    readonly float** pixels = pixels;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Get(int index) => V.Load(pixels[index * step] + channel);
}
