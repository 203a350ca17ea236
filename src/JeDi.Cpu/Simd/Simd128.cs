using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace JeDi.Cpu;

/// <summary>Four floats, through the vector types that every processor of .NET has.</summary>
public readonly unsafe struct Simd128(Vector128<float> value) : ISimd<Simd128>
{
    readonly Vector128<float> v = value;

    public static int Width => 4;

    public static int TileRows => 6;

    public static int TileColumns => 8;

    public static Simd128 Zero => new(Vector128<float>.Zero);

    [MethodImpl(AggressiveInlining)]
    public static Simd128 Create(float value) => new(Vector128.Create(value));

    [MethodImpl(AggressiveInlining)]
    public static Simd128 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(AggressiveInlining)]
    public static Simd128 LoadPartial(float* source, int count)
    {
        if (count >= 4)
        {
            return Load(source);
        }

        return new(Vector128.Create(count > 0 ? source[0] : 0, count > 1 ? source[1] : 0, count > 2 ? source[2] : 0, 0));
    }

    [MethodImpl(AggressiveInlining)]
    public static Simd128 LoadHalf(ushort* source)
    {
        var bits = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16()).AsInt32();
        var unsigned = bits & Vector128.Create(0x7fff);
        var magnitude = (unsigned << 13).AsSingle() * Vector128.Create(HalfFloats.ExponentShift);
        var special = Vector128.GreaterThan(unsigned, Vector128.Create(HalfFloats.LargestFinite))
            & Vector128.Create(HalfFloats.Exponent);
        var quiet = Vector128.GreaterThan(unsigned, Vector128.Create(HalfFloats.Infinity)) & Vector128.Create(HalfFloats.QuietBit);
        return new((magnitude.AsInt32() | special | quiet | ((bits & Vector128.Create(0x8000)) << 16)).AsSingle());
    }

    [MethodImpl(AggressiveInlining)]
    public static Simd128 LoadBFloat16(ushort* source) =>
        new((Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16()) << 16).AsSingle());

    [MethodImpl(AggressiveInlining)]
    public void Store(float* target) => v.Store(target);

    [MethodImpl(AggressiveInlining)]
    public void StorePartial(float* target, int count)
    {
        if (count >= 4)
        {
            v.Store(target);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            target[i] = v.GetElement(i);
        }
    }

    [MethodImpl(AggressiveInlining)]
    public static Simd128 operator +(Simd128 a, Simd128 b) => new(a.v + b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd128 operator -(Simd128 a, Simd128 b) => new(a.v - b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd128 operator *(Simd128 a, Simd128 b) => new(a.v * b.v);

    [MethodImpl(AggressiveInlining)]
    public static Simd128 operator /(Simd128 a, Simd128 b) => new(a.v / b.v);

    // Fused where the processor can, else two roundings: the same on one machine, which is what equal bits are promised for.
    [MethodImpl(AggressiveInlining)]
    public static Simd128 MultiplyAdd(Simd128 a, Simd128 b, Simd128 c) => new(Vector128.MultiplyAddEstimate(a.v, b.v, c.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd128 NegatedMultiplyAdd(Simd128 a, Simd128 b, Simd128 c) => new(Vector128.MultiplyAddEstimate(-a.v, b.v, c.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd128 Max(Simd128 a, Simd128 b) => new(Vector128.ConditionalSelect(Vector128.GreaterThan(a.v, b.v), a.v, b.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd128 Min(Simd128 a, Simd128 b) => new(Vector128.ConditionalSelect(Vector128.LessThan(a.v, b.v), a.v, b.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd128 Sqrt(Simd128 a) => new(Vector128.Sqrt(a.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd128 Round(Simd128 a) => new(Vector128.Round(a.v));

    [MethodImpl(AggressiveInlining)]
    public static Simd128 Scale(Simd128 a, Simd128 n)
    {
        var whole = Vector128.ConvertToInt32(n.v);
        var half = whole >> 1;
        var bias = Vector128.Create(127);
        return new(a.v * ((half + bias) << 23).AsSingle() * ((whole - half + bias) << 23).AsSingle());
    }

    [MethodImpl(AggressiveInlining)]
    public static Simd128 IfLess(Simd128 a, Simd128 b, Simd128 yes, Simd128 no) =>
        new(Vector128.ConditionalSelect(Vector128.LessThan(a.v, b.v), yes.v, no.v));

    [MethodImpl(AggressiveInlining)]
    public static bool AllEqual(Simd128 a, Simd128 b) => Vector128.EqualsAll(a.v, b.v);

    [MethodImpl(AggressiveInlining)]
    public static float Sum(Simd128 a) => Vector128.Sum(a.v);

    [MethodImpl(AggressiveInlining)]
    public static float MaxLane(Simd128 a) =>
        MathF.Max(MathF.Max(a.v.GetElement(0), a.v.GetElement(1)), MathF.Max(a.v.GetElement(2), a.v.GetElement(3)));

    public static void Multiply(int rows, float* a, nint lda, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels128.Multiply(rows, a, lda, b, k, c, ldc, accumulate);

    public static void MultiplyNarrow(int rows, float* a, nint lda, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels128.MultiplyNarrow(rows, a, lda, b, k, c, ldc, accumulate);

    public static void MultiplyTransposed(int rows, float* a, nint pitch, float* b, nint k, float* c, nint ldc, bool accumulate) =>
        MicroKernels128.MultiplyTransposed(rows, a, pitch, b, k, c, ldc, accumulate);
}
