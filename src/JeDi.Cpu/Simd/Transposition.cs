using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace JeDi.Cpu;

/// <summary>Turns rows into columns.</summary>
static unsafe class Transposition
{
    /// <summary>target[c * targetPitch + r] = scale * source[r * sourcePitch + c], in squares of four by four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* target, nint targetPitch, float* source, nint sourcePitch, int rows, int columns, float scale = 1)
    {
        int wholeRows = Sse.IsSupported ? rows & ~3 : 0;
        int wholeColumns = columns & ~3;
        var factor = Vector128.Create(scale);
        for (int r = 0; r < wholeRows; r += 4)
        {
            for (int c = 0; c < wholeColumns; c += 4)
            {
                Square(target + c * targetPitch + r, targetPitch, source + r * sourcePitch + c, sourcePitch, factor);
            }

            Plain(target + r, targetPitch, source + r * sourcePitch, sourcePitch, 4, wholeColumns, columns, scale);
        }

        Plain(target + wholeRows, targetPitch, source + wholeRows * sourcePitch, sourcePitch, rows - wholeRows, 0, columns, scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Square(float* target, nint targetPitch, float* source, nint sourcePitch, Vector128<float> factor)
    {
        var a = Vector128.Load(source) * factor;
        var b = Vector128.Load(source + sourcePitch) * factor;
        var c = Vector128.Load(source + 2 * sourcePitch) * factor;
        var d = Vector128.Load(source + 3 * sourcePitch) * factor;
        var abLow = Sse.UnpackLow(a, b);
        var abHigh = Sse.UnpackHigh(a, b);
        var cdLow = Sse.UnpackLow(c, d);
        var cdHigh = Sse.UnpackHigh(c, d);
        Sse.MoveLowToHigh(abLow, cdLow).Store(target);
        Sse.MoveHighToLow(cdLow, abLow).Store(target + targetPitch);
        Sse.MoveLowToHigh(abHigh, cdHigh).Store(target + 2 * targetPitch);
        Sse.MoveHighToLow(cdHigh, abHigh).Store(target + 3 * targetPitch);
    }

    static void Plain(float* target, nint targetPitch, float* source, nint sourcePitch, int rows, int firstColumn, int columns, float scale)
    {
        for (int c = firstColumn; c < columns; c++)
        {
            for (int r = 0; r < rows; r++)
            {
                target[c * targetPitch + r] = source[r * sourcePitch + c] * scale;
            }
        }
    }
}
