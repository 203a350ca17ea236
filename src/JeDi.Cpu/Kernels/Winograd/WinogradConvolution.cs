using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>
/// 3x3 convolution with stride 1 by Winograd's algorithm. A block of tiles, of all images in one row, is transformed into Size^2
/// matrices [tiles, I]; each is multiplied by its filter matrix; the products [tiles, O] are transformed back. A filter that is not kept is
/// transformed before, whole or group by group of its columns; with few tiles by the thread that needs it.
/// </summary>
static unsafe class WinogradConvolution
{
    const int MaxColumns = 640;
    const int TilesPerJob = 8;

    // Fewer tiles than this read each filter for too few products.
    const int LeastStretch = 96;

    // Filters that threads transform for themselves are cut finer than by panels only where threads would be idle.
    const int JobsPerThread = 4;

    /// <param name="transformed">The filter, if it is transformed already.</param>
    /// <param name="onTheWay">The filter, to be transformed while it is used. The result is the same, bit for bit.</param>
    /// <param name="scratch">Memory of <see cref="WinogradLayout{V, T}.Floats"/> floats.</param>
    /// <param name="rowBias">[Images, O] or null.</param>
    public static void Run<V, T>(
        Threads threads,
        float* x,
        in ConvolutionShape shape,
        WinogradPanels transformed,
        float* rowBias,
        in Epilogue epilogue,
        float* scratch,
        WinogradTaps onTheWay = default)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        int panels = onTheWay.Exists ? onTheWay.Panels : transformed.Panels;
        var layout = new WinogradLayout<V, T>(shape, panels, onTheWay.Exists);
        float* zeros = scratch;
        new Span<float>(zeros, shape.I).Clear();
        float* inputs = zeros + layout.ZeroFloats;
        float* products = inputs + layout.InputPlane * T.Size * T.Size;
        float* group = products + layout.ProductPlane * T.Size * T.Size;
        bool whole = layout.GroupPanels == panels;
        if (whole)
        {
            transformed = Transform<V, T>(threads, onTheWay, 0, panels, group);
        }

        for (int block = 0; block < layout.Blocks; block++)
        {
            int first = Partition.Start(layout.Tiles, layout.Blocks, block);
            int tiles = Partition.Start(layout.Tiles, layout.Blocks, block + 1) - first;
            int jobs = Partition.Pieces(tiles, TilesPerJob);
            threads.Run(jobs, new InputJob<V, T>(x, zeros, inputs, shape, layout, first, tiles, jobs));
            if (layout.FewTiles)
            {
                int splits = Splits<T>(threads.Count, panels);
                var job = new WinogradFusedJob<V, T>(inputs, onTheWay, products, layout, tiles, splits);
                threads.Run(panels * splits, job);
            }
            else
            {
                int groups = layout.GroupPanels == 0 ? 1 : Partition.Pieces(panels, layout.GroupPanels);
                for (int g = 0; g < groups; g++)
                {
                    int panel = Partition.Start(panels, groups, g);
                    WinogradPanels some = groups == 1 ? transformed
                        : Transform<V, T>(threads, onTheWay, panel, Partition.Start(panels, groups, g + 1) - panel, group);
                    Multiply(threads, inputs, some, products + panel * V.TileColumns, layout, tiles);
                }
            }

            threads.Run(jobs, new OutputJob<V, T>(products, rowBias, shape, layout, epilogue, first, tiles, jobs));
        }
    }

    static void Multiply<V, T>(
        Threads threads, float* inputs, WinogradPanels filter, float* products, in WinogradLayout<V, T> layout, int tiles)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        int columnBlocks = Partition.Pieces(filter.Panels, MaxColumns / V.TileColumns);

        // Each thread multiplies the tiles that it has transformed, and brings them back.
        int stretches = Math.Min(threads.Count, Partition.Pieces(tiles, LeastStretch));
        var job = new WinogradProductJob<V, T>(inputs, filter, products, layout, tiles, stretches, columnBlocks);
        threads.Run(stretches * T.Size * T.Size * columnBlocks, job);
    }

    /// <summary>Into how many groups of rows a tile's points are cut, so that all threads have enough to do.</summary>
    static int Splits<T>(int threads, int panels) where T : struct, IWinogradTile
    {
        int splits = 1;
        while (threads > 1 && splits < T.Size && panels * splits < JobsPerThread * threads)
        {
            splits++;
        }

        return splits;
    }

    /// <summary>Transforms some panels of a filter.</summary>
    static WinogradPanels Transform<V, T>(
        Threads threads, WinogradTaps filter, int firstPanel, int panels, float* to)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        var target = new WinogradPanels(to, filter.Channels, panels, V.TileColumns);
        var job = new WinogradFilterJob<V, T>(target, filter, firstPanel);
        threads.Run(job.Count(panels), job);
        return target;
    }

    /// <summary>B^T d B of some tiles.</summary>
    readonly struct InputJob<V, T>(
        float* x, float* zeros, float* inputs, ConvolutionShape shape, WinogradLayout<V, T> layout, int firstTile, int tiles, int jobs)
        : IJob
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
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void FindPixels(int tile, float** pixels)
        {
            int halved = shape.Geometry.Upsample ? 1 : 0;
            int top = tile % layout.TilesPerImage / layout.Across * T.Outputs - 1;
            int left = tile % layout.Across * T.Outputs - 1;
            float* image = x + (nint)(tile / layout.TilesPerImage) * shape.Height * shape.Width * shape.I;
            for (int i = 0; i < T.Size; i++)
            {
                for (int j = 0; j < T.Size; j++)
                {
                    int row = top + i;
                    int column = left + j;
                    bool outside = row < 0 || column < 0 || row >= shape.Height << halved || column >= shape.Width << halved;
                    *pixels++ = outside ? zeros : image + ((nint)(row >> halved) * shape.Width + (column >> halved)) * shape.I;
                }
            }
        }
    }

    /// <summary>A^T m A of some tiles, with the epilogue; outputs beyond the image are dropped.</summary>
    readonly struct OutputJob<V, T>(
        float* products,
        float* rowBias,
        ConvolutionShape shape,
        WinogradLayout<V, T> layout,
        Epilogue epilogue,
        int firstTile,
        int tiles,
        int jobs) : IJob
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
                            value = epilogue.Relu ? V.Max(V.Zero, value) : value;
                            value.Store(epilogue.Y + offset);
                        }
                    }
                }
            }
        }
    }
}
