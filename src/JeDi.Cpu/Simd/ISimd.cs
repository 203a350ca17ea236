namespace JeDi.Cpu;

/// <summary>
/// A register of <see cref="Width"/> floats. Kernels are written once, generic over <typeparamref name="V"/>; the JIT compiles them
/// for each implementation (<see cref="Simd512"/>, <see cref="Simd256"/>, <see cref="Simd128"/>) with every call inlined.
/// </summary>
public unsafe interface ISimd<V> where V : unmanaged, ISimd<V>
{
    /// <summary>Floats in a register: a constant.</summary>
    static abstract int Width { get; }

    /// <summary>All lanes 0.</summary>
    static abstract V Zero { get; }

    /// <summary>All lanes <paramref name="value"/>.</summary>
    static abstract V Create(float value);

    /// <summary>Reads <see cref="Width"/> floats, at any alignment.</summary>
    static abstract V Load(float* source);

    /// <summary>Reads the first <paramref name="count"/> lanes (0 to <see cref="Width"/>), no byte beyond them; the others are 0.</summary>
    static abstract V LoadPartial(float* source, int count);

    /// <summary>Reads and widens IEEE half-precision numbers; exact but for infinities and NaN, which weights do not hold.</summary>
    static abstract V LoadHalf(ushort* source);

    /// <summary>Reads and widens bfloat16 numbers.</summary>
    static abstract V LoadBFloat16(ushort* source);

    /// <summary>Writes <see cref="Width"/> floats.</summary>
    void Store(float* target);

    /// <summary>Writes the first <paramref name="count"/> lanes (0 to <see cref="Width"/>), no byte beyond them.</summary>
    void StorePartial(float* target, int count);

    static abstract V operator +(V a, V b);

    static abstract V operator -(V a, V b);

    static abstract V operator *(V a, V b);

    static abstract V operator /(V a, V b);

    /// <summary>a * b + c; rounded once where the processor has a fused multiply-add.</summary>
    static abstract V MultiplyAdd(V a, V b, V c);

    /// <summary>c - a * b; rounded once where the processor has a fused multiply-add.</summary>
    static abstract V NegatedMultiplyAdd(V a, V b, V c);

    /// <summary>The larger of each lane; <paramref name="b"/> where one is NaN.</summary>
    static abstract V Max(V a, V b);

    /// <summary>The smaller of each lane; <paramref name="b"/> where one is NaN.</summary>
    static abstract V Min(V a, V b);

    /// <summary>Square root, correctly rounded.</summary>
    static abstract V Sqrt(V a);

    /// <summary>To the nearest integer, halves to even.</summary>
    static abstract V Round(V a);

    /// <summary>a * 2^n for integers n of -160 to 160, with gradual underflow.</summary>
    static abstract V Scale(V a, V n);

    /// <summary>Lanes of <paramref name="yes"/> where a is less than b, else of <paramref name="no"/>.</summary>
    static abstract V IfLess(V a, V b, V yes, V no);

    /// <summary>True where every lane of a equals that of b.</summary>
    static abstract bool AllEqual(V a, V b);

    /// <summary>Sum of all lanes, always in the same order.</summary>
    static abstract float Sum(V a);

    /// <summary>Largest lane.</summary>
    static abstract float MaxLane(V a);

    /// <summary>Most rows of a micro-kernel's tile.</summary>
    static abstract int TileRows { get; }

    /// <summary>Columns of a micro-kernel's tile, and of a panel of packed weights: two registers.</summary>
    static abstract int TileColumns { get; }

    /// <summary>
    /// Micro-kernel: c[r, 0..TileColumns) (+)= sum over k of a[r * lda + k] * b[k * TileColumns + ...], each element one chain of
    /// multiply-adds in ascending k.
    /// </summary>
    /// <param name="rows">1 to <see cref="TileRows"/>.</param>
    /// <param name="a">First row; <paramref name="lda"/> floats from row to row.</param>
    /// <param name="lda">Row pitch of a.</param>
    /// <param name="b">A packed panel, [k][TileColumns].</param>
    /// <param name="k">Length of the sums.</param>
    /// <param name="c">Result, <paramref name="ldc"/> floats from row to row.</param>
    /// <param name="ldc">Row pitch of c.</param>
    /// <param name="accumulate">Start from what c holds instead of 0.</param>
    static abstract void Multiply(int rows, float* a, nint lda, float* b, nint k, float* c, nint ldc, bool accumulate);

    /// <summary>As <see cref="Multiply"/> for the first half of the panel's columns, which is all that c has.</summary>
    static abstract void MultiplyNarrow(int rows, float* a, nint lda, float* b, nint k, float* c, nint ldc, bool accumulate);

    /// <summary>As <see cref="Multiply"/> with a transposed: element (r, k) is at a[r + k * pitch].</summary>
    static abstract void MultiplyTransposed(int rows, float* a, nint pitch, float* b, nint k, float* c, nint ldc, bool accumulate);
}
