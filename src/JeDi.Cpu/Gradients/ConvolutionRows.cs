using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// What each output pixel of a convolution reads: row = pixel, columns = [kernel, kernel, I], zeros beyond the border. Never in memory as
/// a whole; packed a panel at a time.
/// </summary>
readonly unsafe struct ConvolutionRows(float* x, ConvolutionShape shape) : IRows
{
    // Rows are left out where what is left takes so much less: the left operand has to be copied without them, too.
    const int WorthPercent = 115;

    readonly float* x = x;

    public int Columns => shape.Kernel * shape.Kernel * shape.I;

    /// <summary>The output pixels that read inside the image by some of the columns' taps; all of them where that is most.</summary>
    public RowSet Find(int column, int width)
    {
        int height = shape.OutputHeight;
        int across = shape.OutputWidth;
        var every = new RowSet(height, across, 0, height, 0, across);
        int firstTap = column / shape.I;
        int lastTap = Math.Min(column + width - 1, Columns - 1) / shape.I;
        int lastRow = lastTap / shape.Kernel;
        (int top, int bottom) = Inside(shape.Height, height, firstTap / shape.Kernel, lastRow);
        (int left, int right) = firstTap / shape.Kernel < lastRow ? (0, across)
            : Inside(shape.Width, across, firstTap % shape.Kernel, lastTap % shape.Kernel);
        var some = every with { Top = top, Bottom = bottom, Left = left, Right = right };
        return WorthPercent * some.PerImage < 100 * every.PerImage ? some : every;
    }

    /// <summary>Outputs along one side that read inside the image by one of some neighbouring taps.</summary>
    (int First, int End) Inside(int inputs, int outputs, int firstTap, int lastTap)
    {
        int size = shape.Geometry.Upsample ? 2 * inputs : inputs;
        int stride = shape.Geometry.Stride;
        int first = Partition.Pieces(Math.Max(0, shape.Border - lastTap) + stride, stride) - 1;
        int end = (size - 1 + shape.Border - firstTap) / stride + 1;
        return (Math.Min(first, outputs), Math.Clamp(end, Math.Min(first, outputs), outputs));
    }

    public void Pack<V>(float* target, in RowSet set, int first, int count, int column, int width) where V : unmanaged, ISimd<V>
    {
        // Neighbours in a row of the filter read neighbours in the image. A panel may hold the ends of taps.
        bool neighbours = shape.Geometry is { Stride: 1, Upsample: false };
        for (int at = 0; at < width;)
        {
            int tap = (column + at) / shape.I;
            int channel = (column + at) % shape.I;
            int taps = neighbours ? shape.Kernel - tap % shape.Kernel : 1;
            bool beyond = tap >= shape.Kernel * shape.Kernel;
            int part = beyond ? width - at : Math.Min(width - at, taps * shape.I - channel);
            var stretch = new Stretch(beyond ? -1 : tap, channel, (channel + part + shape.I - 1) / shape.I, part, width - at);
            Fill<V>(target + at, width, set, first, count, stretch);
            at += part;
        }
    }

    /// <summary>Columns that a row of the filter reads.</summary>
    /// <param name="Tap">The first; -1: none, zeros.</param>
    /// <param name="Channel">Of the first tap.</param>
    /// <param name="Taps">Side by side.</param>
    /// <param name="Floats">In all.</param>
    /// <param name="Room">Floats that may be written: what is too much is the place of stretches that come later.</param>
    readonly record struct Stretch(int Tap, int Channel, int Taps, int Floats, int Room);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void Fill<V>(float* target, int pitch, in RowSet set, int first, int count, Stretch stretch) where V : unmanaged, ISimd<V>
    {
        int halved = shape.Geometry.Upsample ? 1 : 0;
        int down = stretch.Tap / shape.Kernel - shape.Border;
        int right = stretch.Tap % shape.Kernel - shape.Border;
        int image = first / set.PerImage;
        int row = set.Top + first % set.PerImage / set.Across;
        int column = set.Left + first % set.Across;
        int bottom = set.Bottom;
        int end = set.Right;

        // Whole registers of neighbouring pixels.
        bool plain = stretch.Taps == 1 && stretch.Floats % V.Width == 0 && shape.Geometry is { Stride: 1, Upsample: false };
        float* last = x + (long)shape.Images * shape.Height * shape.Width * shape.I;
        for (int i = 0; i < count; image++, row = set.Top)
        {
            float* pixels = x + (long)image * shape.Height * shape.Width * shape.I + stretch.Channel;
            for (; row < bottom && i < count; row++, column = set.Left)
            {
                int y = row * shape.Geometry.Stride + down;
                bool outside = stretch.Tap < 0 || y < 0 || y >= shape.Height << halved;
                float* line = pixels + (long)(y >> halved) * shape.Width * shape.I;
                if (plain)
                {
                    int stop = Math.Min(end, column + count - i);
                    int inside = Math.Clamp(outside ? stop : -right, column, stop);
                    int beyond = Math.Clamp(shape.Width - right, inside, stop);
                    for (; column < inside; column++, i++, target += pitch)
                    {
                        Clear<V>(target, stretch.Floats);
                    }

                    float* source = line + (long)(column + right) * shape.I;
                    for (; column < beyond; column++, i++, target += pitch, source += shape.I)
                    {
                        for (int at = 0; at < stretch.Floats; at += V.Width)
                        {
                            V.Load(source + at).Store(target + at);
                        }
                    }

                    for (; column < stop; column++, i++, target += pitch)
                    {
                        Clear<V>(target, stretch.Floats);
                    }

                    continue;
                }

                for (; column < end && i < count; column++, i++, target += pitch)
                {
                    int at = column * shape.Geometry.Stride + right;
                    if (outside)
                    {
                        Clear<V>(target, stretch.Floats);
                    }
                    else if (at >= 0 && at + stretch.Taps <= shape.Width << halved)
                    {
                        Copy<V>(target, line + (long)(at >> halved) * shape.I, stretch.Floats, stretch.Room, last);
                    }
                    else
                    {
                        Border<V>(target, line, at, stretch);
                    }
                }
            }
        }
    }

    /// <summary>Tap by tap where some are beyond the image's border.</summary>
    void Border<V>(float* target, float* line, int at, in Stretch stretch) where V : unmanaged, ISimd<V>
    {
        int halved = shape.Geometry.Upsample ? 1 : 0;
        for (int done = 0; done < stretch.Floats; at++)
        {
            int part = Math.Min(stretch.Floats - done, shape.I - (done == 0 ? stretch.Channel : 0));
            if (at < 0 || at >= shape.Width << halved)
            {
                Clear<V>(target + done, part);
            }
            else
            {
                // The line begins at the first tap's channel, later taps at 0.
                float* from = line + (long)(at >> halved) * shape.I - (done == 0 ? 0 : stretch.Channel);
                Copy<V>(target + done, from, part, part, from + part);
            }

            done += part;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Copy<V>(float* target, float* source, int count, int room, float* end) where V : unmanaged, ISimd<V>
    {
        int i = 0;
        for (; i <= count - V.Width; i += V.Width)
        {
            V.Load(source + i).Store(target + i);
        }

        if (i == count)
        {
            return;
        }

        if (i + V.Width <= room && source + i + V.Width <= end)
        {
            V.Load(source + i).Store(target + i);
        }
        else
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
