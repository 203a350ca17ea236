using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// dx (+)= the transposed convolution of dy with w: for each phase of the stride a plain convolution of dy, whose taps of a kernel row lie
/// side by side in memory, as in <see cref="DirectConvolution"/>. Each thread first copies the few rows of dy of its block with a border.
/// Where the forward operation up-samples, dx is that of the up-sampled image.
/// </summary>
static unsafe class DataConvolution
{
    const int MaxPixels = 256;
    const int MaxColumns = 640;
    const int MinRows = 4;
    const int BlocksPerThread = 4;
    const int AliasingPitch = 512;
    const int PitchPadding = 16;

    // Images with fewer results than this are taken together, so that tiles of the product are full.
    const int FewPixels = 56;

    /// <summary>Floats of the panels of w: [phase][I / TileColumns][taps of the phase][O][TileColumns].</summary>
    public static long PanelFloats<V>(in ConvolutionShape shape) where V : unmanaged, ISimd<V> =>
        BackProduct.PanelFloats<V>(shape.O * shape.Kernel * shape.Kernel, shape.I);

    /// <summary>Makes the panels from w, row-major [O, kernel, kernel, I].</summary>
    public static void Pack<V>(Threads threads, float* panels, float* w, in ConvolutionShape shape) where V : unmanaged, ISimd<V> =>
        threads.Run(Partition.Pieces(shape.I, V.TileColumns), new PackJob<V>(panels, w, shape));

    /// <param name="height">Rows of dx.</param>
    /// <param name="width">Columns of dx.</param>
    public static void Run<V>(
        Threads threads, float* dx, int height, int width, float* dy, in ConvolutionShape shape, float* panels, bool add)
        where V : unmanaged, ISimd<V>
    {
        int stride = shape.Geometry.Stride;
        int steps = Partition.Pieces(height, stride);
        int rows = Math.Clamp(MaxPixels / Partition.Pieces(width, stride), MinRows, Math.Max(MinRows, steps));
        int rowBlocks = Partition.Pieces(steps, rows);
        int panelCount = Partition.Pieces(shape.I, V.TileColumns);
        int columnBlocks = Partition.Pieces(panelCount, MaxColumns / V.TileColumns);
        while (threads.Count > 1 && shape.Images * rowBlocks * columnBlocks < BlocksPerThread * threads.Count
            && panelCount >= 2 * columnBlocks)
        {
            columnBlocks *= 2;
        }

        // Several images of one row block each; no result depends on how many.
        int pixels = steps * Partition.Pieces(width, stride);
        int together = rowBlocks > 1 ? 1 : Math.Clamp(FewPixels / pixels, 1, shape.Images);
        int groups = Partition.Pieces(shape.Images, together);
        var job = new Job<V>(dx, height, width, dy, shape, panels, add, steps, rowBlocks, panelCount, columnBlocks, groups);
        threads.Run(groups * rowBlocks * columnBlocks, job);
    }

    /// <summary>A block is a panel's columns of all phases.</summary>
    readonly struct PackJob<V>(float* panels, float* w, ConvolutionShape shape) : IJob where V : unmanaged, ISimd<V>
    {
        readonly float* w = w;

        public void Run(int index, Worker worker)
        {
            int stride = shape.Geometry.Stride;
            int column = index * V.TileColumns;
            long panelCount = Partition.Pieces(shape.I, V.TileColumns);
            float* phasePanels = panels;
            for (int p = 0; p < stride * stride; p++)
            {
                ConvolutionPhase down = ConvolutionPhase.Of(p / stride, stride, shape.Kernel, shape.Border);
                ConvolutionPhase right = ConvolutionPhase.Of(p % stride, stride, shape.Kernel, shape.Border);
                long panelFloats = (long)down.Taps * right.Taps * shape.O * V.TileColumns;
                float* target = phasePanels + index * panelFloats;
                for (int i = 0; i < down.Taps * right.Taps; i++, target += (nint)shape.O * V.TileColumns)
                {
                    int tap = (down.FirstTap - stride * (i / right.Taps)) * shape.Kernel + right.FirstTap - stride * (i % right.Taps);
                    Rows(target, tap, column);
                }

                phasePanels += panelCount * panelFloats;
            }
        }

        /// <summary>Columns of one tap of every filter, zeros beyond the last.</summary>
        void Rows(float* target, int tap, int column)
        {
            nint pitch = (nint)shape.Kernel * shape.Kernel * shape.I;
            float* from = w + (nint)tap * shape.I + column;
            int columns = Math.Min(V.TileColumns, shape.I - column);
            for (int o = 0; o < shape.O; o++, from += pitch, target += V.TileColumns)
            {
                for (int i = 0; i < V.TileColumns; i += V.Width)
                {
                    V.LoadPartial(from + i, Math.Clamp(columns - i, 0, V.Width)).Store(target + i);
                }
            }
        }
    }

    /// <summary>A block is some rows of each phase of an image, or some small images, and some columns.</summary>
    readonly struct Job<V>(
        float* dx, int height, int width, float* dy, ConvolutionShape shape, float* panels, bool add, int steps, int rowBlocks,
        int panelCount, int columnBlocks, int groups) : IJob
        where V : unmanaged, ISimd<V>
    {
        readonly float* dx = dx;
        readonly float* dy = dy;
        readonly float* panels = panels;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int group = index / (rowBlocks * columnBlocks);
            int image = Partition.Start(shape.Images, groups, group);
            int images = Partition.Start(shape.Images, groups, group + 1) - image;
            int columnBlock = index % columnBlocks;
            int rowBlock = index / columnBlocks % rowBlocks;
            int top = Partition.Start(steps, rowBlocks, rowBlock);
            int bottom = Partition.Start(steps, rowBlocks, rowBlock + 1);
            int firstPanel = Partition.Start(panelCount, columnBlocks, columnBlock);
            int count = Partition.Start(panelCount, columnBlocks, columnBlock + 1) - firstPanel;

            int stride = shape.Geometry.Stride;
            (int lowest, int more) = ConvolutionPhase.Reach(stride, shape.Kernel, shape.Border);
            int across = Partition.Pieces(width, stride);
            int rowsAtOnce = Math.Max(1, MaxPixels / across);
            int pixelsAtOnce = images * Math.Min(across, MaxPixels) * Math.Min(rowsAtOnce, bottom - top);
            nint sumPitch = count * V.TileColumns + PitchPadding;
            nint pixelPitch = shape.O % AliasingPitch == 0 ? shape.O + PitchPadding : shape.O;
            nint rowPitch = (across + more) * pixelPitch;
            nint imagePitch = (bottom - top + more) * rowPitch;
            float* sums = worker.Scratch(pixelsAtOnce * (sumPitch + MatrixProduct.MaxDepth) + images * imagePitch);
            float* bordered = sums + pixelsAtOnce * sumPitch;
            float* gathered = bordered + images * imagePitch;
            for (int i = 0; i < images; i++)
            {
                CopyBordered(
                    bordered + i * imagePitch, image + i, top + lowest, bottom - top + more, lowest, across + more, pixelPitch);
            }

            float* phasePanels = panels;
            for (int p = 0; p < stride * stride; p++)
            {
                ConvolutionPhase down = ConvolutionPhase.Of(p / stride, stride, shape.Kernel, shape.Border);
                ConvolutionPhase right = ConvolutionPhase.Of(p % stride, stride, shape.Kernel, shape.Border);
                nint panelPitch = (nint)down.Taps * right.Taps * shape.O * V.TileColumns;
                int phaseRows = Partition.Pieces(height - p / stride, stride);
                int phaseColumns = Partition.Pieces(width - p % stride, stride);
                int end = Math.Min(bottom, phaseRows);
                for (int row = top; row < end; row += rowsAtOnce)
                {
                    int rows = Math.Min(rowsAtOnce, end - row);
                    for (int column = 0; column < phaseColumns; column += MaxPixels)
                    {
                        int columns = Math.Min(MaxPixels, phaseColumns - column);
                        float* first = bordered + (row - top + down.Offset - lowest) * rowPitch
                            + (column + right.Offset - lowest) * pixelPitch;
                        var window = new Window(first, images, imagePitch, rows, rowPitch, columns, pixelPitch);
                        float* panel = phasePanels + firstPanel * panelPitch;
                        int channels = shape.I - firstPanel * V.TileColumns;
                        Sum(window, down.Taps, right.Taps, panel, panelPitch, count, channels, sums, sumPitch, gathered);
                        for (int i = 0; i < images; i++)
                        {
                            float* from = sums + i * rows * columns * sumPitch;
                            Write(image + i, row, rows, column, columns, p, firstPanel, count, from, sumPitch);
                        }
                    }
                }

                phasePanels += panelCount * panelPitch;
            }
        }

        /// <summary>The products of a block of pixels of a phase: one stretch of the sums after the other.</summary>
        void Sum(
            in Window window, int tapsDown, int tapsRight, float* panel, nint panelPitch, int count, int channels, float* sums,
            nint sumPitch, float* gathered)
        {
            int pixels = window.Images * window.Rows * window.Columns;
            if (tapsDown * tapsRight == 0)
            {
                new Span<float>(sums, checked((int)(pixels * sumPitch))).Clear();
                return;
            }

            // Taps of a row are contiguous unless the copy spreads its pixels.
            bool joined = window.PixelPitch == shape.O;
            int run = joined ? tapsRight * shape.O : shape.O;
            int runs = joined ? tapsDown : tapsDown * tapsRight;
            int step = MatrixProduct.DepthStep(run);
            bool narrow = window.Columns < V.TileRows && pixels > window.Columns;
            for (int i = 0; i < runs; i++)
            {
                float* tap = window.First
                    + (joined ? i * window.RowPitch : i / tapsRight * window.RowPitch + i % tapsRight * window.PixelPitch);
                for (int k = 0; k < run; k += step)
                {
                    int depth = Math.Min(step, run - k);
                    float* with = panel + ((nint)i * run + k) * V.TileColumns;
                    if (narrow)
                    {
                        window.Gather(gathered, tap + k, depth);
                        MatrixProduct.Multiply<V>(
                            gathered, depth, pixels, with, panelPitch, count, depth, sums, sumPitch, i + k > 0, channels);
                        continue;
                    }

                    for (int r = 0; r < window.Rows; r++)
                    {
                        MatrixProduct.Multiply<V>(
                            tap + k + r * window.RowPitch, window.PixelPitch, window.Columns, with, panelPitch, count, depth,
                            sums + r * window.Columns * sumPitch, sumPitch, i + k > 0, channels);
                    }
                }
            }
        }

        void Write(
            int image, int row, int rows, int column, int columns, int phase, int firstPanel, int count, float* sums, nint sumPitch)
        {
            int stride = shape.Geometry.Stride;
            int channel = firstPanel * V.TileColumns;
            int channels = Math.Min(count * V.TileColumns, shape.I - channel);
            for (int r = 0; r < rows; r++)
            {
                long pixel = ((long)image * height + phase / stride + (row + r) * stride) * width + phase % stride + column * stride;
                float* to = dx + pixel * shape.I + channel;
                Sums.Write<V>(to, (nint)stride * shape.I, sums + r * columns * sumPitch, sumPitch, columns, channels, add);
            }
        }

        /// <summary>Rows of dy from <paramref name="top"/> and columns from <paramref name="left"/> on, zeros beyond it.</summary>
        void CopyBordered(float* target, int image, int top, int rows, int left, int columns, nint pixelPitch)
        {
            int outHeight = shape.OutputHeight;
            int outWidth = shape.OutputWidth;
            for (int r = 0; r < rows; r++)
            {
                int y = top + r;
                float* source = dy + ((long)image * outHeight + y) * outWidth * shape.O;
                for (int c = 0; c < columns; c++, target += pixelPitch)
                {
                    int x = left + c;
                    var to = new Span<float>(target, shape.O);
                    if (y < 0 || y >= outHeight || x < 0 || x >= outWidth)
                    {
                        to.Clear();
                    }
                    else
                    {
                        new ReadOnlySpan<float>(source + (long)x * shape.O, shape.O).CopyTo(to);
                    }
                }
            }
        }
    }

    /// <summary>Where the pixels of dy lie that a block of a phase reads by its first tap.</summary>
    readonly struct Window(float* first, int images, nint imagePitch, int rows, nint rowPitch, int columns, nint pixelPitch)
    {
        public float* First { get; } = first;

        public int Images => images;

        public int Rows => rows;

        public nint RowPitch => rowPitch;

        public int Columns => columns;

        public nint PixelPitch => pixelPitch;

        /// <summary>The pixels of narrow images, one after the other: tiles of the product then hold those of several rows.</summary>
        public void Gather(float* target, float* from, int depth)
        {
            for (int i = 0; i < images * rows; i++)
            {
                float* row = from + i / rows * imagePitch + i % rows * rowPitch;
                for (int c = 0; c < columns; c++, target += depth)
                {
                    new ReadOnlySpan<float>(row + c * pixelPitch, depth).CopyTo(new Span<float>(target, depth));
                }
            }
        }
    }
}
