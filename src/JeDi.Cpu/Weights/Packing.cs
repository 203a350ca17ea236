using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// Rows of a weight as the columns of a panel, in one pass over both. A filter's rows are [I][taps] in files; its sums run over [taps][I]:
/// turning it is a question of where a column is written.
/// </summary>
static unsafe class Packing
{
    const int Square = 8;

    /// <summary>
    /// Fills a panel [columns][width] from its source rows, each <paramref name="columns"/> numbers of the panel's type.
    /// </summary>
    /// <param name="rows">One pointer for each of the panel's <paramref name="width"/> columns; null is filled with zeros.</param>
    /// <param name="taps">Column c of a row is written as (c % taps) * (columns / taps) + c / taps.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Panel(byte* panel, byte** rows, int width, int columns, int taps, int size)
    {
        int inner = columns / taps;
        int whole = size == 2 && Sse2.IsSupported ? columns / Square * Square : 0;
        nint line = (nint)width * size;
        nint back = line - columns * line;
        byte** targets = stackalloc byte*[Square];

        // From column to column, without divisions: to the next tap's numbers, after the last one back to the first's.
        byte* next = panel;
        int tap = 0;
        for (int c = 0; c < whole; c += Square)
        {
            for (int j = 0; j < Square; j++)
            {
                targets[j] = next;
                next += inner * line;
                if (++tap == taps)
                {
                    next += back;
                    tap = 0;
                }
            }

            for (int r = 0; r < width; r += Square)
            {
                Turn16(rows + r, c * size, targets, r * size);
            }
        }

        for (int c = whole; c < columns; c++)
        {
            byte* target = panel + (nint)(c % taps * inner + c / taps) * width * size;
            if (size == 2)
            {
                for (int r = 0; r < width; r++)
                {
                    ((ushort*)target)[r] = rows[r] == null ? (ushort)0 : ((ushort*)rows[r])[c];
                }
            }
            else
            {
                for (int r = 0; r < width; r++)
                {
                    ((uint*)target)[r] = rows[r] == null ? 0 : ((uint*)rows[r])[c];
                }
            }
        }
    }

    /// <summary>Eight numbers of two bytes of each of eight rows, as eight runs of eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Turn16(byte** rows, nint offset, byte** targets, nint at)
    {
        Vector128<ushort> a = Row(rows, 0, offset), b = Row(rows, 1, offset), c = Row(rows, 2, offset), d = Row(rows, 3, offset);
        Vector128<ushort> e = Row(rows, 4, offset), f = Row(rows, 5, offset), g = Row(rows, 6, offset), h = Row(rows, 7, offset);
        Quarter(a, b, c, d, out Vector128<uint> low0, out Vector128<uint> low1, out Vector128<uint> low2, out Vector128<uint> low3);
        Quarter(e, f, g, h, out Vector128<uint> high0, out Vector128<uint> high1, out Vector128<uint> high2, out Vector128<uint> high3);
        Pair(low0, high0, targets[0] + at, targets[1] + at);
        Pair(low1, high1, targets[2] + at, targets[3] + at);
        Pair(low2, high2, targets[4] + at, targets[5] + at);
        Pair(low3, high3, targets[6] + at, targets[7] + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<ushort> Row(byte** rows, int index, nint offset) =>
        rows[index] == null ? Vector128<ushort>.Zero : Vector128.Load((ushort*)(rows[index] + offset));

    /// <summary>Four rows: columns 0 and 1, 2 and 3, 4 and 5, 6 and 7 of each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Quarter(
        Vector128<ushort> a, Vector128<ushort> b, Vector128<ushort> c, Vector128<ushort> d,
        out Vector128<uint> first, out Vector128<uint> second, out Vector128<uint> third, out Vector128<uint> fourth)
    {
        Vector128<uint> abLow = Sse2.UnpackLow(a, b).AsUInt32();
        Vector128<uint> abHigh = Sse2.UnpackHigh(a, b).AsUInt32();
        Vector128<uint> cdLow = Sse2.UnpackLow(c, d).AsUInt32();
        Vector128<uint> cdHigh = Sse2.UnpackHigh(c, d).AsUInt32();
        first = Sse2.UnpackLow(abLow, cdLow);
        second = Sse2.UnpackHigh(abLow, cdLow);
        third = Sse2.UnpackLow(abHigh, cdHigh);
        fourth = Sse2.UnpackHigh(abHigh, cdHigh);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Pair(Vector128<uint> low, Vector128<uint> high, byte* first, byte* second)
    {
        Sse2.UnpackLow(low.AsUInt64(), high.AsUInt64()).Store((ulong*)first);
        Sse2.UnpackHigh(low.AsUInt64(), high.AsUInt64()).Store((ulong*)second);
    }

    /// <summary>A row [I][taps] as [taps][I].</summary>
    public static void Turn(float* target, float* source, int columns, int taps)
    {
        int inner = columns / taps;
        for (int i = 0; i < inner; i++)
        {
            for (int tap = 0; tap < taps; tap++)
            {
                target[tap * inner + i] = source[i * taps + tap];
            }
        }
    }
}
