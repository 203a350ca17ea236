using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>
/// 3x3 convolution with stride 1 by Winograd's algorithm. A block of tiles, of all images in one row, is transformed into Size^2
/// matrices [tiles, I]; each is multiplied by its filter matrix; the products [tiles, O] are transformed back.
/// </summary>
static unsafe class WinogradConvolution
{
    // Both sides of the products stay in the caches ...
    const long BlockBytes = 2L << 20;

    // ... but a block has so many tiles that reading the filters, once a block, is hidden behind the products.
    const int MinTiles = 96;

    const int MaxColumns = 640;
    const int TilesPerJob = 8;

    // Planes and rows at large powers of two fall into the same sets of the caches.
    const int AliasingPitch = 512;
    const int PitchPadding = 16;

    /// <summary>Floats of shared scratch memory for <see cref="Run"/>.</summary>
    public static long ScratchFloats<V, T>(in ConvolutionShape shape, int panels)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile => new Layout<V, T>(shape, panels).Floats;

    /// <param name="scratch">Memory of <see cref="ScratchFloats"/> floats.</param>
    /// <param name="rowBias">[Images, O] or null.</param>
    public static void Run<V, T>(
        Threads threads, float* x, in ConvolutionShape shape, WinogradPanels w, float* rowBias, in Epilogue epilogue, float* scratch)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        var layout = new Layout<V, T>(shape, w.Panels);
        float* zeros = scratch;
        new Span<float>(zeros, shape.I).Clear();
        float* inputs = zeros + layout.ZeroFloats;
        float* products = inputs + layout.InputPlane * T.Size * T.Size;
        for (int block = 0; block < layout.Blocks; block++)
        {
            int first = Partition.Start(layout.Tiles, layout.Blocks, block);
            int tiles = Partition.Start(layout.Tiles, layout.Blocks, block + 1) - first;
            int jobs = Partition.Pieces(tiles, TilesPerJob);
            int columnBlocks = Partition.Pieces(w.Panels, MaxColumns / V.TileColumns);
            threads.Run(jobs, new InputJob<V, T>(x, zeros, inputs, shape, layout, first, tiles, jobs));
            threads.Run(T.Size * T.Size * columnBlocks, new ProductJob<V, T>(inputs, w, products, layout, tiles, columnBlocks));
            threads.Run(jobs, new OutputJob<V, T>(products, rowBias, shape, layout, epilogue, first, tiles, jobs));
        }
    }

    /// <summary>Sizes of the scratch memory: zeros, input planes, product planes.</summary>
    readonly struct Layout<V, T>
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        public Layout(in ConvolutionShape shape, int panels)
        {
            Across = Partition.Pieces(shape.OutputWidth, T.Outputs);
            TilesPerImage = Across * Partition.Pieces(shape.OutputHeight, T.Outputs);
            Tiles = TilesPerImage * shape.Images;
            ZeroFloats = (shape.I + PitchPadding - 1) / PitchPadding * PitchPadding;
            InputPitch = Pitch(shape.I);
            ProductPitch = Pitch(panels * V.TileColumns);
            long tileBytes = (InputPitch + ProductPitch) * sizeof(float) * T.Size * T.Size;
            int atOnce = (int)Math.Max(MinTiles, BlockBytes / tileBytes);
            Blocks = Partition.Pieces(Tiles, atOnce);
            int largest = (Tiles + Blocks - 1) / Blocks;
            InputPlane = InputPitch * largest + PitchPadding;
            ProductPlane = ProductPitch * largest + PitchPadding;
        }

        /// <summary>Tiles side by side in an image.</summary>
        public int Across { get; }

        public int TilesPerImage { get; }

        public int Tiles { get; }

        public int Blocks { get; }

        public nint ZeroFloats { get; }

        /// <summary>Floats from tile to tile.</summary>
        public nint InputPitch { get; }

        public nint ProductPitch { get; }

        /// <summary>Floats from point to point.</summary>
        public nint InputPlane { get; }

        public nint ProductPlane { get; }

        public long Floats => ZeroFloats + (InputPlane + ProductPlane) * T.Size * T.Size;

        static nint Pitch(int floats) => floats % AliasingPitch == 0 ? floats + PitchPadding : floats;
    }

    /// <summary>B^T d B of some tiles.</summary>
    readonly struct InputJob<V, T>(
        float* x, float* zeros, float* inputs, ConvolutionShape shape, Layout<V, T> layout, int firstTile, int tiles, int jobs) : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        readonly float* x = x;
        readonly float* zeros = zeros;
        readonly float* inputs = inputs;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int size = T.Size;
            int channels = shape.I;
            nint plane = layout.InputPlane;
            float* columns = worker.Scratch(size * size * (V.Width + sizeof(float*) / sizeof(float)));
            float** pixels = (float**)(columns + size * size * V.Width);
            int end = Partition.Start(tiles, jobs, index + 1);
            for (int tile = Partition.Start(tiles, jobs, index); tile < end; tile++)
            {
                FindPixels(firstTile + tile, pixels);
                float* target = inputs + tile * layout.InputPitch;
                for (int c = 0; c < channels; c += V.Width)
                {
                    for (int j = 0; j < size; j++)
                    {
                        T.Input<V, Pixels<V>>(new(pixels + j, size, c), new(columns + j * V.Width, size * V.Width));
                    }

                    for (int i = 0; i < size; i++)
                    {
                        T.Input<V, Strided<V>>(
                            new(columns + i * size * V.Width, V.Width), new(target + i * size * plane + c, plane));
                    }
                }
            }
        }

        /// <summary>Where the tile's input pixels are: in the image, or among the zeros beyond its border.</summary>
        void FindPixels(int tile, float** pixels)
        {
            int scale = shape.Geometry.Upsample ? 2 : 1;
            int top = tile % layout.TilesPerImage / layout.Across * T.Outputs - 1;
            int left = tile % layout.Across * T.Outputs - 1;
            float* image = x + (nint)(tile / layout.TilesPerImage) * shape.Height * shape.Width * shape.I;
            for (int i = 0; i < T.Size; i++)
            {
                for (int j = 0; j < T.Size; j++)
                {
                    int row = top + i;
                    int column = left + j;
                    bool outside = row < 0 || column < 0 || row >= shape.Height * scale || column >= shape.Width * scale;
                    *pixels++ = outside ? zeros : image + ((nint)(row / scale) * shape.Width + column / scale) * shape.I;
                }
            }
        }
    }

    /// <summary>Product of one point and some columns.</summary>
    readonly struct ProductJob<V, T>(
        float* inputs, WinogradPanels w, float* products, Layout<V, T> layout, int tiles, int columnBlocks) : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        readonly float* inputs = inputs;
        readonly float* products = products;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int point = index / columnBlocks;
            int firstPanel = Partition.Start(w.Panels, columnBlocks, index % columnBlocks);
            int panels = Partition.Start(w.Panels, columnBlocks, index % columnBlocks + 1) - firstPanel;
            nint panelPitch = (nint)w.Channels * V.TileColumns;
            int step = MatrixProduct.DepthStep(w.Channels);
            for (int k = 0; k < w.Channels; k += step)
            {
                MatrixProduct.Multiply<V>(
                    inputs + point * layout.InputPlane + k,
                    layout.InputPitch,
                    tiles,
                    w.Panel(point, firstPanel) + (nint)k * V.TileColumns,
                    panelPitch,
                    panels,
                    Math.Min(step, w.Channels - k),
                    products + point * layout.ProductPlane + firstPanel * V.TileColumns,
                    layout.ProductPitch,
                    k > 0);
            }
        }
    }

    /// <summary>A^T m A of some tiles, with the epilogue; outputs beyond the image are dropped.</summary>
    readonly struct OutputJob<V, T>(
        float* products, float* rowBias, ConvolutionShape shape, Layout<V, T> layout, Epilogue epilogue, int firstTile, int tiles, int jobs)
        : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        readonly float* products = products;
        readonly float* rowBias = rowBias;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int size = T.Size;
            int outputs = T.Outputs;
            int channels = shape.O;
            nint plane = layout.ProductPlane;
            nint rowPitch = (nint)shape.OutputWidth * channels;
            float* columns = worker.Scratch((outputs * size + outputs) * V.Width);
            float* line = columns + outputs * size * V.Width;
            int end = Partition.Start(tiles, jobs, index + 1);
            for (int tile = Partition.Start(tiles, jobs, index); tile < end; tile++)
            {
                int image = (firstTile + tile) / layout.TilesPerImage;
                int top = (firstTile + tile) % layout.TilesPerImage / layout.Across * outputs;
                int left = (firstTile + tile) % layout.Across * outputs;
                int rows = Math.Min(outputs, shape.OutputHeight - top);
                int width = Math.Min(outputs, shape.OutputWidth - left);
                nint start = ((nint)image * shape.OutputHeight + top) * rowPitch + left * channels;
                float* source = products + tile * layout.ProductPitch;
                for (int c = 0; c < channels; c += V.Width)
                {
                    for (int j = 0; j < size; j++)
                    {
                        T.Output<V>(
                            new(source + j * plane + c, size * plane), new(columns + j * V.Width, size * V.Width));
                    }

                    V bias = epilogue.Bias == null ? V.Zero : V.Load(epilogue.Bias + c);
                    bias = rowBias == null ? bias : bias + V.Load(rowBias + (nint)image * channels + c);
                    for (int i = 0; i < rows; i++)
                    {
                        T.Output<V>(new(columns + i * size * V.Width, V.Width), new(line, V.Width));
                        nint offset = start + i * rowPitch + c;
                        for (int j = 0; j < width; j++, offset += channels)
                        {
                            V value = V.Load(line + j * V.Width) + bias;
                            value = epilogue.Residual == null ? value : value + V.Load(epilogue.Residual + offset);
                            value.Store(epilogue.Y + offset);
                        }
                    }
                }
            }
        }
    }
}
