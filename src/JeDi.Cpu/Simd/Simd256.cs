using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace JeDi.Cpu;

/// <summary>Eight floats in an AVX2 register.</summary>
public readonly unsafe struct Simd256(Vector256<float> value) : ISimd<Simd256>
{
    readonly Vector256<float> v = value;

    public static int Width => 8;

    public static int TileRows => 6;

    public static int TileColumns => 16;

    public static Simd256 Zero => new(Vector256<float>.Zero);

    [MethodImpl(AggressiveInlining)]
    public static Simd256 Create(float value) => new(Vector256.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 LoadPartial(float* source, int count) => new(Avx.MaskLoad(source, Mask(count)));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 LoadHalf(ushort* source)
    {
        var bits = Avx2.ConvertToVector256Int32(Vector128.Load(source));
        var unsigned = bits & Vector256.Create(0x7fff);
        var magnitude = (unsigned << 13).AsSingle() * Vector256.Create(HalfFloats.ExponentShift);
        var special = Vector256.GreaterThan(unsigned, Vector256.Create(HalfFloats.LargestFinite))
            & Vector256.Create(HalfFloats.Exponent);
        var quiet = Vector256.GreaterThan(unsigned, Vector256.Create(HalfFloats.Infinity)) & Vector256.Create(HalfFloats.QuietBit);
        return new((magnitude.AsInt32() | special | quiet | ((bits & Vector256.Create(0x8000)) << 16)).AsSingle());
    }

    [MethodImpl(AggressiveInlining)]
    public static Simd256 LoadBFloat16(ushort* source) =>
        new((Avx2.ConvertToVector256Int32(Vector128.Load(source)) << 16).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public void Store(float* target) => v.Store(target);

    [MethodImpl(AggressiveInlining)]
    public void StorePartial(float* target, int count) => Avx.MaskStore(target, Mask(count), v);

    [MethodImpl(AggressiveInlining)]
    public static Simd256 operator +(Simd256 a, Simd256 b) => new(a.v + b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd256 operator -(Simd256 a, Simd256 b) => new(a.v - b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd256 operator *(Simd256 a, Simd256 b) => new(a.v * b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd256 operator /(Simd256 a, Simd256 b) => new(a.v / b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd256 MultiplyAdd(Simd256 a, Simd256 b, Simd256 c) => new(Fma.MultiplyAdd(a.v, b.v, c.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 NegatedMultiplyAdd(Simd256 a, Simd256 b, Simd256 c) => new(Fma.MultiplyAddNegated(a.v, b.v, c.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 Max(Simd256 a, Simd256 b) => new(Avx.Max(a.v, b.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 Min(Simd256 a, Simd256 b) => new(Avx.Min(a.v, b.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 Sqrt(Simd256 a) => new(Avx.Sqrt(a.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 Round(Simd256 a) => new(Avx.RoundToNearestInteger(a.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd256 Scale(Simd256 a, Simd256 n)
    {
        // In two steps: a single factor 2^n would leave the range of the exponent where the result underflows gradually.
        var whole = Avx.ConvertToVector256Int32(n.v);
        var half = whole >> 1;
        var bias = Vector256.Create(127);
        return new(a.v * ((half + bias) << 23).AsSingle() * ((whole - half + bias) << 23).AsSingle());
    }

    [MethodImpl(AggressiveInlining)]
    public static Simd256 IfLess(Simd256 a, Simd256 b, Simd256 yes, Simd256 no) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(a.v, b.v), yes.v, no.v));

    [MethodImpl(AggressiveInlining)]
    public static bool AllEqual(Simd256 a, Simd256 b) => Vector256.EqualsAll(a.v, b.v);

    [MethodImpl(AggressiveInlining)]
    public static float Sum(Simd256 a) => Vector256.Sum(a.v);

    [MethodImpl(AggressiveInlining)]
    public static float MaxLane(Simd256 a) => Simd128.MaxLane(new(Sse.Max(a.v.GetLower(), a.v.GetUpper())));

    public static void Multiply(int rows, float* a, nint lda, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels256.Multiply(rows, a, lda, b, k, c, ldc, accumulate);

    public static void MultiplyNarrow(int rows, float* a, nint lda, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels256.MultiplyNarrow(rows, a, lda, b, k, c, ldc, accumulate);

    public static void MultiplyTransposed(int rows, float* a, nint pitch, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels256.MultiplyTransposed(rows, a, pitch, b, k, c, ldc, accumulate);

    [MethodImpl(AggressiveInlining)]
    static Vector256<float> Mask(int count) => Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle();
}
