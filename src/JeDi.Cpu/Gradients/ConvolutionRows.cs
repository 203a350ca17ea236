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
            Tap<V>(target + at, width, width - at, first, count, beyond ? -1 : tap, channel, beyond ? width - at : part);
            at += beyond ? width - at : part;
        }
    }

    /// <summary>
    /// Some channels of one tap. Few channels are written as a whole register where the line has <paramref name="room"/> for it: what is
    /// too much is the place of the next taps, which come later.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void Tap<V>(float* target, int pitch, int room, int first, int count, int tap, int channel, int part) where V : unmanaged, ISimd<V>
    {
        int outWidth = shape.OutputWidth;
        int outPixels = outWidth * shape.OutputHeight;
        int halved = shape.Geometry.Upsample ? 1 : 0;
        int down = tap / shape.Kernel - shape.Border;
        int right = tap % shape.Kernel - shape.Border;
        int image = first / outPixels;
        int row = first % outPixels / outWidth;
        int column = first % outWidth;
        bool whole = part < V.Width && room >= V.Width;
        float* lastWhole = x + (long)shape.Images * shape.Height * shape.Width * shape.I - V.Width;
        for (int i = 0; i < count; image++, row = 0)
        {
            float* pixels = x + (long)image * shape.Height * shape.Width * shape.I + channel;
            for (; row < shape.OutputHeight && i < count; row++, column = 0)
            {
                int y = row * shape.Geometry.Stride + down;
                bool outside = tap < 0 || y < 0 || y >= shape.Height << halved;
                float* line = pixels + (long)(y >> halved) * shape.Width * shape.I;
                for (; column < outWidth && i < count; column++, i++, target += pitch)
                {
                    int at = column * shape.Geometry.Stride + right;
                    float* from = line + (long)(at >> halved) * shape.I;
                    if (outside || at < 0 || at >= shape.Width << halved)
                    {
                        Clear<V>(target, whole ? V.Width : part);
                    }
                    else if (whole && from <= lastWhole)
                    {
                        V.Load(from).Store(target);
                    }
                    else
                    {
                        Copy<V>(target, from, part);
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
