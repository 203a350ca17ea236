using System.Runtime.InteropServices;

namespace JeDi.Tensors;

/// <summary>The one place where channels-first numbers of files become channels-last ones of the device, and back.</summary>
public static class Layouts
{
    /// <summary>Filters [O, I, k*k] to [O, k*k, I].</summary>
    public static void OihwToOhwi(ReadOnlySpan<byte> source, Span<byte> destination, int o, int i, int taps, int elementBytes)
    {
        if (elementBytes == 2)
        {
            SwapInner(MemoryMarshal.Cast<byte, ushort>(source), MemoryMarshal.Cast<byte, ushort>(destination), o, i, taps);
        }
        else
        {
            SwapInner(MemoryMarshal.Cast<byte, uint>(source), MemoryMarshal.Cast<byte, uint>(destination), o, i, taps);
        }
    }

    /// <summary>Images [N, C, H*W] to [N, H*W, C].</summary>
    public static float[] NchwToNhwc(ReadOnlySpan<float> source, int n, int c, int pixels)
    {
        var result = new float[source.Length];
        SwapInner<float>(source, result, n, c, pixels);
        return result;
    }

    /// <summary>The same into <paramref name="destination"/>, of the same size.</summary>
    public static void NchwToNhwc(ReadOnlySpan<float> source, Span<float> destination, int n, int c, int pixels) =>
        SwapInner(source, destination, n, c, pixels);

    /// <summary>Images [N, H*W, C] to [N, C, H*W].</summary>
    public static float[] NhwcToNchw(ReadOnlySpan<float> source, int n, int c, int pixels)
    {
        var result = new float[source.Length];
        SwapInner<float>(source, result, n, pixels, c);
        return result;
    }

    /// <summary>[outer, a, b] to [outer, b, a].</summary>
    static void SwapInner<T>(ReadOnlySpan<T> source, Span<T> destination, int outer, int a, int b)
        where T : unmanaged
    {
        for (int o = 0; o < outer; o++)
        {
            ReadOnlySpan<T> from = source.Slice(o * a * b, a * b);
            Span<T> to = destination.Slice(o * a * b, a * b);
            for (int j = 0; j < b; j++)
            {
                Span<T> row = to.Slice(j * a, a);
                for (int i = 0, at = j; i < row.Length; i++, at += b)
                {
                    row[i] = from[at];
                }
            }
        }
    }
}
