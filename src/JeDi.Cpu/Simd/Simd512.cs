using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace JeDi.Cpu;

/// <summary>Sixteen floats in an AVX-512 register.</summary>
public readonly unsafe struct Simd512(Vector512<float> value) : ISimd<Simd512>
{
    readonly Vector512<float> v = value;

    public static int Width => 16;

    public static int TileRows => 14;

    public static int TileColumns => 32;

    public static Simd512 Zero => new(Vector512<float>.Zero);

    [MethodImpl(AggressiveInlining)]
    public static Simd512 Create(float value) => new(Vector512.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 LoadPartial(float* source, int count) =>
        new(Avx512F.MaskLoad(source, Mask(count), Vector512<float>.Zero));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 LoadHalf(ushort* source)
    {
        var bits = Avx512F.ConvertToVector512Int32(Vector256.Load(source));
        var unsigned = bits & Vector512.Create(0x7fff);
        var magnitude = (unsigned << 13).AsSingle() * Vector512.Create(HalfFloats.ExponentShift);
        var special = Vector512.GreaterThan(unsigned, Vector512.Create(HalfFloats.LargestFinite))
            & Vector512.Create(HalfFloats.Exponent);
        var quiet = Vector512.GreaterThan(unsigned, Vector512.Create(HalfFloats.Infinity)) & Vector512.Create(HalfFloats.QuietBit);
        return new((magnitude.AsInt32() | special | quiet | ((bits & Vector512.Create(0x8000)) << 16)).AsSingle());
    }

    [MethodImpl(AggressiveInlining)]
    public static Simd512 LoadBFloat16(ushort* source) =>
        new((Avx512F.ConvertToVector512Int32(Vector256.Load(source)) << 16).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public void Store(float* target) => v.Store(target);

    [MethodImpl(AggressiveInlining)]
    public void StorePartial(float* target, int count) => Avx512F.MaskStore(target, Mask(count), v);

    [MethodImpl(AggressiveInlining)]
    public static Simd512 operator +(Simd512 a, Simd512 b) => new(a.v + b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd512 operator -(Simd512 a, Simd512 b) => new(a.v - b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd512 operator *(Simd512 a, Simd512 b) => new(a.v * b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd512 operator /(Simd512 a, Simd512 b) => new(a.v / b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd512 MultiplyAdd(Simd512 a, Simd512 b, Simd512 c) => new(Avx512F.FusedMultiplyAdd(a.v, b.v, c.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 NegatedMultiplyAdd(Simd512 a, Simd512 b, Simd512 c) => new(Avx512F.FusedMultiplyAddNegated(a.v, b.v, c.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 Max(Simd512 a, Simd512 b) => new(Avx512F.Max(a.v, b.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 Min(Simd512 a, Simd512 b) => new(Avx512F.Min(a.v, b.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 Sqrt(Simd512 a) => new(Avx512F.Sqrt(a.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 Round(Simd512 a) => new(Avx512F.RoundScale(a.v, 0));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 Scale(Simd512 a, Simd512 n) => new(Avx512F.Scale(a.v, n.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd512 IfLess(Simd512 a, Simd512 b, Simd512 yes, Simd512 no) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(a.v, b.v), yes.v, no.v));

    [MethodImpl(AggressiveInlining)]
    public static bool AllEqual(Simd512 a, Simd512 b) => Vector512.EqualsAll(a.v, b.v);

    [MethodImpl(AggressiveInlining)]
    public static float Sum(Simd512 a) => Vector512.Sum(a.v);

    [MethodImpl(AggressiveInlining)]
    public static float MaxLane(Simd512 a) =>
        Simd256.MaxLane(new(Avx.Max(a.v.GetLower(), a.v.GetUpper())));

    public static void Multiply(int rows, float* a, nint lda, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels512.Multiply(rows, a, lda, b, k, c, ldc, accumulate);

    public static void MultiplyNarrow(int rows, float* a, nint lda, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels512.MultiplyNarrow(rows, a, lda, b, k, c, ldc, accumulate);

    public static void MultiplyTransposed(int rows, float* a, nint pitch, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels512.MultiplyTransposed(rows, a, pitch, b, k, c, ldc, accumulate);

    [MethodImpl(AggressiveInlining)]
    static Vector512<float> Mask(int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();
}
