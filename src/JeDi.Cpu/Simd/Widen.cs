using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>Stored numbers to floats.</summary>
static unsafe class Widen
{
    /// <summary>
    /// Converts <paramref name="count"/> numbers of <paramref name="type"/> (F32, F16 or BF16), from element <paramref name="first"/> on.
    /// </summary>
    public static void ToFloats<V>(float* target, void* source, DType type, long first, int count) where V : unmanaged, ISimd<V>
    {
        switch (type)
        {
            case DType.F32:
                Buffer.MemoryCopy((float*)source + first, target, (long)count * sizeof(float), (long)count * sizeof(float));
                break;
            case DType.F16:
                Halves<V>(target, (ushort*)source + first, count);
                break;
            case DType.BF16:
                BFloats<V>(target, (ushort*)source + first, count);
                break;
            default:
                throw new ArgumentException($"a weight cannot be {type}");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Halves<V>(float* target, ushort* source, int count) where V : unmanaged, ISimd<V>
    {
        int i = 0;
        for (; i + V.Width <= count; i += V.Width)
        {
            V.LoadHalf(source + i).Store(target + i);
        }

        for (; i < count; i++)
        {
            target[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void BFloats<V>(float* target, ushort* source, int count) where V : unmanaged, ISimd<V>
    {
        int i = 0;
        for (; i + V.Width <= count; i += V.Width)
        {
            V.LoadBFloat16(source + i).Store(target + i);
        }

        for (; i < count; i++)
        {
            target[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
        }
    }
}
