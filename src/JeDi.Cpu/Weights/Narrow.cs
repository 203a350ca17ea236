using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>Floats to two bytes, to the nearest, halves to even.</summary>
static unsafe class Narrow
{
    const uint Sign = 0x80000000;

    /// <summary>Converts <paramref name="count"/> floats to F16 or BF16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FromFloats(ushort* target, float* source, DType type, int count)
    {
        int i = 0;
        for (; i + Vector128<float>.Count <= count; i += Vector128<float>.Count)
        {
            Vector128<uint> bits = Vector128.Load((uint*)source + i);
            Vector128<uint> small = type == DType.F16 ? Half(bits) : BFloat16(bits);
            Vector128.Narrow(small, small).GetLower().Store(target + i);
        }

        for (; i < count; i++)
        {
            var bits = Vector128.CreateScalar(((uint*)source)[i]);
            target[i] = (ushort)(type == DType.F16 ? Half(bits) : BFloat16(bits)).ToScalar();
        }
    }

    /// <summary>
    /// Numbers below the smallest normal half are rounded by adding 1/2, whose last bit is that of a subnormal half; the others by adding
    /// half of what is cut off.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<uint> Half(Vector128<uint> bits)
    {
        const uint HalfInfinity = 0x7c00;
        const uint SmallestNormal = 113u << 23;
        const uint TooLarge = 143u << 23;
        const uint Infinity = 255u << 23;
        Vector128<uint> magnitude = bits & Vector128.Create(~Sign);
        Vector128<uint> subnormal = (magnitude.AsSingle() + Vector128.Create(0.5f)).AsUInt32() - Vector128.Create(0.5f).AsUInt32();
        Vector128<uint> odd = (magnitude >> 13) & Vector128<uint>.One;
        Vector128<uint> normal = (magnitude + Vector128.Create(unchecked((uint)(15 - 127) << 23) + 0xfff) + odd) >> 13;
        Vector128<uint> special = Vector128.ConditionalSelect(
            Vector128.GreaterThan(magnitude, Vector128.Create(Infinity)),
            Vector128.Create(HalfInfinity | 0x200),
            Vector128.Create(HalfInfinity));
        Vector128<uint> result = Vector128.ConditionalSelect(
            Vector128.LessThan(magnitude, Vector128.Create(SmallestNormal)), subnormal, normal);
        result = Vector128.ConditionalSelect(Vector128.GreaterThanOrEqual(magnitude, Vector128.Create(TooLarge)), special, result);
        return result | ((bits & Vector128.Create(Sign)) >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<uint> BFloat16(Vector128<uint> bits)
    {
        Vector128<uint> odd = (bits >> 16) & Vector128<uint>.One;
        Vector128<uint> rounded = (bits + Vector128.Create(0x7fffu) + odd) >> 16;
        Vector128<uint> notNumber = Vector128.GreaterThan(bits & Vector128.Create(~Sign), Vector128.Create(255u << 23));
        return Vector128.ConditionalSelect(notNumber, (bits >> 16) | Vector128.Create(0x40u), rounded);
    }
}
