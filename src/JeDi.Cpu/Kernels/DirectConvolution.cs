using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// y = conv(x, w). For one kernel row the taps and channels of an output pixel lie side by side in memory, and those of the next output
/// pixel a fixed distance further: the micro-kernel of the matrix product reads the image itself. Each thread first copies the few
/// rows of its block with their zero border (doubled in size where the convolution up-samples).
/// </summary>
static unsafe class DirectConvolution
{
    const int MaxPixels = 256;
    const int MaxColumns = 640;
    const int MinRows = 4;
    const int BlocksPerThread = 4;

    // Pixels at such distances fall into the same sets of the first-level cache.
    const int AliasingPitch = 512;
    const int PitchPadding = 16;

    public static void Run<V>(Threads threads, float* x, in ConvolutionShape shape, PackedMatrix w, float* rowBias, in Epilogue epilogue)
        where V : unmanaged, ISimd<V>
    {
        int rows = Math.Clamp(MaxPixels / shape.OutputWidth, MinRows, Math.Max(MinRows, shape.OutputHeight));
        int rowBlocks = Partition.Pieces(shape.OutputHeight, rows);
        int columnBlocks = Partition.Pieces(w.Panels, MaxColumns / V.TileColumns);
        while (threads.Count > 1 && shape.Images * rowBlocks * columnBlocks < BlocksPerThread * threads.Count
            && w.Panels >= 4 * columnBlocks)
        {
            columnBlocks *= 2;
        }

        var job = new Job<V>(x, shape, w, rowBias, epilogue, rowBlocks, columnBlocks);
        threads.Run(shape.Images * rowBlocks * columnBlocks, job);
    }

    readonly struct Job<V>(
        float* x, ConvolutionShape shape, PackedMatrix w, float* rowBias, Epilogue epilogue, int rowBlocks, int columnBlocks) : IJob
        where V : unmanaged, ISimd<V>
    {
        readonly float* x = x;
        readonly float* rowBias = rowBias;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int image = index / (rowBlocks * columnBlocks);
            int columnBlock = index % columnBlocks;
            int rowBlock = index / columnBlocks % rowBlocks;
            int top = Partition.Start(shape.OutputHeight, rowBlocks, rowBlock);
            int bottom = Partition.Start(shape.OutputHeight, rowBlocks, rowBlock + 1);
            int firstPanel = Partition.Start(w.Panels, columnBlocks, columnBlock);
            int panels = Partition.Start(w.Panels, columnBlocks, columnBlock + 1) - firstPanel;

            int stride = shape.Geometry.Stride;
            bool inPlace = shape.Geometry is { Padding: Padding.None, Upsample: false };
            int rowsAtOnce = Math.Max(1, MaxPixels / shape.OutputWidth);
            int pixelsAtOnce = Math.Min(shape.OutputWidth, MaxPixels) * rowsAtOnce;
            nint sumPitch = panels * V.TileColumns + PitchPadding;
            nint sumFloats = pixelsAtOnce * sumPitch;

            var window = new Window { PixelPitch = shape.I, RowPitch = (nint)shape.Width * shape.I };
            nint borderedFloats = inPlace ? 0 : BorderedFloats(bottom - top);
            long widenedFloats = w.ScratchFloats(panels, MatrixProduct.DepthStep(RunLength(inPlace)));
            float* scratch = worker.Scratch(sumFloats + borderedFloats + widenedFloats);
            float* pixels = x + (nint)image * shape.Height * window.RowPitch;
            window.Start = inPlace ? pixels + top * stride * window.RowPitch : scratch + sumFloats;
            if (!inPlace)
            {
                window.PixelPitch = PixelPitch;
                window.RowPitch = InputSpan(shape.OutputWidth) * window.PixelPitch;
                CopyBordered(window, pixels, top * stride - shape.Border, InputSpan(bottom - top));
            }

            float* imageBias = rowBias == null ? null : rowBias + (nint)image * shape.O;
            for (int row = top; row < bottom; row += rowsAtOnce)
            {
                int rows = Math.Min(rowsAtOnce, bottom - row);
                for (int column = 0; column < shape.OutputWidth; column += MaxPixels)
                {
                    int columns = Math.Min(MaxPixels, shape.OutputWidth - column);
                    float* first = window.Start + ((nint)(row - top) * window.RowPitch + column * window.PixelPitch) * stride;
                    Sums(first, window, rows, columns, firstPanel, panels, scratch, sumPitch, scratch + sumFloats + borderedFloats);
                    long pixel = ((long)image * shape.OutputHeight + row) * shape.OutputWidth + column;
                    epilogue.Write<V>(scratch, sumPitch, pixel, rows * columns, firstPanel, panels, imageBias);
                }
            }
        }

        /// <summary>Floats from pixel to pixel of the bordered copy.</summary>
        nint PixelPitch => shape.I % AliasingPitch == 0 ? shape.I + PitchPadding : shape.I;

        /// <summary>Input rows (or columns) that <paramref name="outputs"/> neighbouring outputs read.</summary>
        int InputSpan(int outputs) => (outputs - 1) * shape.Geometry.Stride + shape.Kernel;

        /// <summary>Length of a stretch of neighbouring inputs: taps of a row are contiguous unless the copy spreads its pixels.</summary>
        int RunLength(bool joined) => joined || PixelPitch == shape.I ? shape.Kernel * shape.I : shape.I;

        nint BorderedFloats(int rows) => (nint)InputSpan(rows) * InputSpan(shape.OutputWidth) * PixelPitch;

        /// <summary>
        /// The products of a block of output pixels: one stretch of the sums after the other, each over all rows of the block.
        /// </summary>
        void Sums(
            float* first, in Window window, int rows, int columns, int firstPanel, int panels, float* sums, nint sumPitch, float* widened)
        {
            bool joined = window.PixelPitch == shape.I;
            int run = RunLength(joined);
            int runs = joined ? shape.Kernel : shape.Kernel * shape.Kernel;
            int step = MatrixProduct.DepthStep(run);
            for (int i = 0; i < runs; i++)
            {
                float* tap = joined
                    ? first + i * window.RowPitch
                    : first + i / shape.Kernel * window.RowPitch + i % shape.Kernel * window.PixelPitch;
                for (int k = 0; k < run; k += step)
                {
                    int depth = Math.Min(step, run - k);
                    float* panel = w.Floats<V>(firstPanel, panels, i * run + k, depth, widened, out nint panelPitch);
                    for (int r = 0; r < rows; r++)
                    {
                        MatrixProduct.Multiply<V>(
                            tap + k + r * shape.Geometry.Stride * window.RowPitch,
                            shape.Geometry.Stride * window.PixelPitch,
                            columns,
                            panel,
                            panelPitch,
                            panels,
                            depth,
                            sums + r * columns * sumPitch,
                            sumPitch,
                            i + k > 0,
                            shape.O - firstPanel * V.TileColumns);
                    }
                }
            }
        }

        /// <summary>
        /// Copies input rows from <paramref name="top"/> on, in up-sampled coordinates, with zeros where there is no image.
        /// </summary>
        void CopyBordered(in Window window, float* pixels, int top, int rows)
        {
            int scale = shape.Geometry.Upsample ? 2 : 1;
            int width = InputSpan(shape.OutputWidth);
            float* target = window.Start;
            for (int r = 0; r < rows; r++)
            {
                int y = top + r;
                bool outside = y < 0 || y >= shape.Height * scale;
                float* source = pixels + (nint)(y / scale) * shape.Width * shape.I;
                for (int c = 0; c < width; c++, target += window.PixelPitch)
                {
                    int column = c - shape.Border;
                    var to = new Span<float>(target, shape.I);
                    if (outside || column < 0 || column >= shape.Width * scale)
                    {
                        to.Clear();
                    }
                    else
                    {
                        new ReadOnlySpan<float>(source + (nint)(column / scale) * shape.I, shape.I).CopyTo(to);
                    }
                }
            }
        }
    }

    /// <summary>Where a block's input lies.</summary>
    struct Window
    {
        public float* Start;
        public nint PixelPitch;
        public nint RowPitch;
    }
}
