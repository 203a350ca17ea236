using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// What each output pixel of a convolution reads: row = pixel, columns = [kernel, kernel, I], zeros beyond the border. Never in memory as
/// a whole; packed a panel at a time.
/// </summary>
readonly unsafe struct ConvolutionRows(float* x, ConvolutionShape shape) : IRows
{
    readonly float* x = x;

    public int Columns => shape.Kernel * shape.Kernel * shape.I;

    public void Pack<V>(float* target, int first, int count, int column, int width) where V : unmanaged, ISimd<V>
    {
        // A panel may hold the ends of several taps where I is no multiple of its width.
        for (int at = 0; at < width;)
        {
            int tap = (column + at) / shape.I;
            int channel = (column + at) % shape.I;
            int part = Math.Min(width - at, shape.I - channel);
            bool beyond = tap >= shape.Kernel * shape.Kernel;
            Tap<V>(target + at, width, first, count, beyond ? -1 : tap, channel, beyond ? width - at : part);
            at += beyond ? width - at : part;
        }
    }

    /// <summary>Some channels of one tap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void Tap<V>(float* target, int pitch, int first, int count, int tap, int channel, int part) where V : unmanaged, ISimd<V>
    {
        int outWidth = shape.OutputWidth;
        int outPixels = outWidth * shape.OutputHeight;
        int scale = shape.Geometry.Upsample ? 2 : 1;
        int down = tap / shape.Kernel - shape.Border;
        int right = tap % shape.Kernel - shape.Border;
        int image = first / outPixels;
        int row = first % outPixels / outWidth;
        int column = first % outWidth;
        for (int i = 0; i < count; image++, row = 0)
        {
            float* pixels = x + (long)image * shape.Height * shape.Width * shape.I + channel;
            for (; row < shape.OutputHeight && i < count; row++, column = 0)
            {
                int y = row * shape.Geometry.Stride + down;
                bool outside = tap < 0 || y < 0 || y >= shape.Height * scale;
                float* line = pixels + (long)(y / scale) * shape.Width * shape.I;
                for (; column < outWidth && i < count; column++, i++, target += pitch)
                {
                    int at = column * shape.Geometry.Stride + right;
                    if (outside || at < 0 || at >= shape.Width * scale)
                    {
                        Clear<V>(target, part);
                    }
                    else
                    {
                        Copy<V>(target, line + (long)(at / scale) * shape.I, part);
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Copy<V>(float* target, float* source, int count) where V : unmanaged, ISimd<V>
    {
        int i = 0;
        for (; i <= count - V.Width; i += V.Width)
        {
            V.Load(source + i).Store(target + i);
        }

        if (i < count)
        {
            V.LoadPartial(source + i, count - i).StorePartial(target + i, count - i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Clear<V>(float* target, int count) where V : unmanaged, ISimd<V>
    {
        int i = 0;
        for (; i <= count - V.Width; i += V.Width)
        {
            V.Zero.Store(target + i);
        }

        if (i < count)
        {
            V.Zero.StorePartial(target + i, count - i);
        }
    }
}
