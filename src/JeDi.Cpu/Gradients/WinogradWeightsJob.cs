using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>
/// A block is some rows and panels of dw. For a few images at a time: B^T x B of the panels and A dy A^T of the rows, in tiles of them;
/// then the products of all points, image by image, brought back and added.
/// </summary>
readonly unsafe struct WinogradWeightsJob<V, T>(float* dw, float* dy, float* x, ConvolutionShape shape, WinogradWeightsGrid grid) : IJob
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    const int Taps = 3;

    // Transformed tiles of a few images stay in the second-level cache: all panels of x read those of dy again.
    const long ChunkFloats = 3L << 17;

    // Points at large powers of two fall into the same sets of the caches.
    const int PointPadding = 16;

    readonly float* dw = dw;
    readonly float* dy = dy;
    readonly float* x = x;

    /// <summary>Floats of scratch memory of the largest block.</summary>
    public long MostScratchFloats =>
        new Layout(shape, Largest(shape.O, grid.RowBlocks), Largest(grid.Panels, grid.PanelBlocks)).Floats;

    static int Largest(int total, int parts) => (total + parts - 1) / parts;

    public void Run(int index, Worker worker)
    {
        int rowBlock = index % grid.RowBlocks;
        int panelBlock = index / grid.RowBlocks;
        int firstRow = Partition.Start(shape.O, grid.RowBlocks, rowBlock);
        int rows = Partition.Start(shape.O, grid.RowBlocks, rowBlock + 1) - firstRow;
        int firstPanel = Partition.Start(grid.Panels, grid.PanelBlocks, panelBlock);
        int panels = Partition.Start(grid.Panels, grid.PanelBlocks, panelBlock + 1) - firstPanel;
        var layout = new Layout(shape, rows, panels);
        var part = new Part(dw, dy, x, shape, layout, firstRow, firstPanel, worker.Scratch(layout.Floats));
        for (int image = 0; image < shape.Images; image += layout.ImagesAtOnce)
        {
            part.Add(image, Math.Min(layout.ImagesAtOnce, shape.Images - image));
        }
    }

    /// <summary>
    /// Sizes of a block's scratch memory. An image's transformed x: [point][panel][tile][TileColumns]; its transformed dy:
    /// [point][row tile][tile][pitch].
    /// </summary>
    readonly struct Layout
    {
        public Layout(in ConvolutionShape shape, int rows, int panels)
        {
            (OutputHeight, OutputWidth) = (shape.OutputHeight, shape.OutputWidth);
            Across = Partition.Pieces(OutputWidth, T.Outputs);
            Tiles = Across * Partition.Pieces(OutputHeight, T.Outputs);
            (Rows, RowTiles, Panels) = (rows, Partition.Pieces(rows, V.TileRows), panels);
            RowPitch = OuterProduct.TilePitch<V>();
            ZeroFloats = Aligned(Math.Max(shape.I, shape.O));
            InputFloats = (long)T.Size * T.Size * InputPoint;
            OutputFloats = (long)T.Size * T.Size * OutputPoint;
            ImagesAtOnce = (int)Math.Clamp(ChunkFloats / (InputFloats + OutputFloats), 1, Math.Max(1, shape.Images));
        }

        public int OutputHeight { get; }

        public int OutputWidth { get; }

        /// <summary>Tiles side by side in an image.</summary>
        public int Across { get; }

        public int Tiles { get; }

        public int Panels { get; }

        public int Rows { get; }

        public int RowTiles { get; }

        public int RowPitch { get; }

        public long ZeroFloats { get; }

        public long InputFloats { get; }

        public long OutputFloats { get; }

        public int ImagesAtOnce { get; }

        /// <summary>Of the products of one tile of rows and one panel.</summary>
        public static nint ProductFloats => (nint)V.TileRows * V.TileColumns;

        /// <summary>Of the work between the two directions of a transform.</summary>
        public static long WorkFloats =>
            T.Size * T.Size * (V.Width + sizeof(float*) / sizeof(float)) + (Taps * T.Size + Taps) * V.Width;

        public long Floats =>
            ZeroFloats + (InputFloats + OutputFloats) * ImagesAtOnce + T.Size * T.Size * ProductFloats + WorkFloats;

        /// <summary>Floats from point to point of the transformed x.</summary>
        public nint InputPoint => (nint)Panels * Tiles * V.TileColumns + PointPadding;

        public nint OutputPoint => (nint)RowTiles * Tiles * RowPitch + PointPadding;

        static long Aligned(int floats) => (floats + 15) / 16 * 16;
    }

    /// <summary>The block's work, in its thread's memory.</summary>
    readonly struct Part
    {
        readonly float* dw;
        readonly float* dy;
        readonly float* x;
        readonly ConvolutionShape shape;
        readonly Layout layout;
        readonly int firstRow;
        readonly int firstPanel;
        readonly float* zeros;
        readonly float* inputs;
        readonly float* outputs;
        readonly float* sums;
        readonly float* work;

        public Part(
            float* dw, float* dy, float* x, in ConvolutionShape shape, in Layout layout, int firstRow, int firstPanel, float* scratch)
        {
            this.dw = dw;
            this.dy = dy;
            this.x = x;
            (this.shape, this.layout) = (shape, layout);
            (this.firstRow, this.firstPanel) = (firstRow, firstPanel);
            zeros = scratch;
            inputs = zeros + layout.ZeroFloats;
            outputs = inputs + layout.InputFloats * layout.ImagesAtOnce;
            sums = outputs + layout.OutputFloats * layout.ImagesAtOnce;
            work = sums + T.Size * T.Size * Layout.ProductFloats;
            new Span<float>(zeros, (int)layout.ZeroFloats).Clear();
        }

        /// <summary>Adds the gradient of so many images.</summary>
        public void Add(int first, int images)
        {
            for (int image = 0; image < images; image++)
            {
                Transform(first + image, inputs + image * layout.InputFloats, outputs + image * layout.OutputFloats);
            }

            for (int panel = 0; panel < layout.Panels; panel++)
            {
                for (int rowTile = 0; rowTile < layout.RowTiles; rowTile++)
                {
                    Multiply(rowTile, panel, images);
                }
            }
        }

        void Transform(int image, float* input, float* output)
        {
            float** pixels = (float**)(work + T.Size * T.Size * V.Width);
            for (int tile = 0; tile < layout.Tiles; tile++)
            {
                FindInputs(image, tile, pixels);
                TransformInput(tile, pixels, work, input);
                FindOutputs(image, tile, pixels);
                TransformOutput(tile, pixels, work, output);
            }
        }

        // The two transforms are methods of their own: one that held both would be beyond what the compiler inlines.

        /// <summary>B^T x B of a tile's channels that the block's panels hold.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        void TransformInput(int tile, float** pixels, float* columns, float* input)
        {
            int size = T.Size;
            int first = firstPanel * V.TileColumns;
            int end = Math.Min(layout.Panels * V.TileColumns, shape.I - first);
            for (int c = 0; c < end; c += V.Width)
            {
                float* target = input + ((nint)(c / V.TileColumns) * layout.Tiles + tile) * V.TileColumns + c % V.TileColumns;
                for (int j = 0; j < size; j++)
                {
                    T.Input<V, Pixels<V>>(new(pixels + j, size, first + c), new(columns + j * V.Width, size * V.Width));
                }

                for (int i = 0; i < size; i++)
                {
                    T.Input<V, Strided<V>>(
                        new(columns + i * size * V.Width, V.Width), new(target + i * size * layout.InputPoint, layout.InputPoint));
                }
            }
        }

        /// <summary>A dy A^T of a tile, cut into the row tiles of the product.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        void TransformOutput(int tile, float** pixels, float* columns, float* output)
        {
            int size = T.Size;
            for (int t = 0; t < layout.RowTiles; t++)
            {
                (int first, int rows) = Rows(t);
                float* target = output + ((nint)t * layout.Tiles + tile) * layout.RowPitch;
                for (int c = 0; c < rows; c += V.Width)
                {
                    // The register may reach into the next tile's channels, which are not read, but not beyond the last one.
                    int channel = Math.Min(first + c, shape.O - V.Width);
                    int shift = first + c - channel;
                    for (int j = 0; j < T.Outputs; j++)
                    {
                        T.Spread<V, Pixels<V>>(new(pixels + j, T.Outputs, channel), new(columns + j * V.Width, T.Outputs * V.Width));
                    }

                    for (int i = 0; i < size; i++)
                    {
                        Strided<V> row = new(columns + i * T.Outputs * V.Width, V.Width);
                        if (shift == 0)
                        {
                            T.Spread<V, Strided<V>>(row, new(target + c + i * size * layout.OutputPoint, layout.OutputPoint));
                            continue;
                        }

                        float* line = columns + size * T.Outputs * V.Width;
                        T.Spread<V, Strided<V>>(row, new(line, V.Width));
                        for (int j = 0; j < size; j++)
                        {
                            float* to = target + c + (i * size + j) * layout.OutputPoint;
                            new ReadOnlySpan<float>(line + j * V.Width + shift, V.Width - shift).CopyTo(new Span<float>(to, V.Width));
                        }
                    }
                }
            }
        }

        void FindInputs(int image, int tile, float** pixels)
        {
            int halved = shape.Geometry.Upsample ? 1 : 0;
            int top = tile / layout.Across * T.Outputs - 1;
            int left = tile % layout.Across * T.Outputs - 1;
            float* first = x + (nint)image * shape.Height * shape.Width * shape.I;
            for (int i = 0; i < T.Size; i++)
            {
                for (int j = 0; j < T.Size; j++)
                {
                    int row = top + i;
                    int column = left + j;
                    bool outside = row < 0 || column < 0 || row >= shape.Height << halved || column >= shape.Width << halved;
                    *pixels++ = outside ? zeros : first + ((nint)(row >> halved) * shape.Width + (column >> halved)) * shape.I;
                }
            }
        }

        void FindOutputs(int image, int tile, float** pixels)
        {
            int top = tile / layout.Across * T.Outputs;
            int left = tile % layout.Across * T.Outputs;
            int height = layout.OutputHeight;
            int width = layout.OutputWidth;
            float* first = dy + (nint)image * height * width * shape.O;
            for (int i = 0; i < T.Outputs; i++)
            {
                for (int j = 0; j < T.Outputs; j++)
                {
                    int row = top + i;
                    int column = left + j;
                    bool outside = row >= height || column >= width;
                    *pixels++ = outside ? zeros : first + ((nint)row * width + column) * shape.O;
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        void Multiply(int rowTile, int panel, int images)
        {
            (int first, int rows) = Rows(rowTile);
            int size = T.Size;
            nint point = Layout.ProductFloats;
            for (int image = 0; image < images; image++)
            {
                float* a = outputs + image * layout.OutputFloats + (nint)rowTile * layout.Tiles * layout.RowPitch;
                float* b = inputs + image * layout.InputFloats + (nint)panel * layout.Tiles * V.TileColumns;
                for (int p = 0; p < size * size; p++, a += layout.OutputPoint, b += layout.InputPoint)
                {
                    V.MultiplyTransposed(rows, a, layout.RowPitch, b, layout.Tiles, sums + p * point, V.TileColumns, false);
                }

                for (int row = 0; row < rows; row++)
                {
                    for (int c = 0; c < V.TileColumns; c += V.Width)
                    {
                        int channel = (firstPanel + panel) * V.TileColumns + c;
                        if (channel < shape.I)
                        {
                            float* to = dw + (nint)(first + row) * Taps * Taps * shape.I + channel;
                            T.Gather<V>(new(sums + row * V.TileColumns + c, point), new(to, shape.I), work);
                        }
                    }
                }
            }
        }

        /// <summary>First row and rows of one of the block's row tiles.</summary>
        (int First, int Count) Rows(int rowTile)
        {
            int first = Partition.Start(layout.Rows, layout.RowTiles, rowTile);
            return (firstRow + first, Partition.Start(layout.Rows, layout.RowTiles, rowTile + 1) - first);
        }
    }
}
