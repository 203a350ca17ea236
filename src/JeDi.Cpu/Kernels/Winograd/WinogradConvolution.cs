namespace JeDi.Cpu;

/// <summary>
/// 3x3 convolution with stride 1 by Winograd's algorithm. A block of tiles, of all images in one row, is transformed into Size^2
/// matrices [tiles, I]; each is multiplied by its filter matrix; the products [tiles, O] are transformed back. With a large filter
/// threads share a block; one that is not kept is transformed before, whole or group by group of its columns, with few tiles by the thread
/// that needs it. With a small one each thread has blocks of its own: <see cref="WinogradPart{V, T}"/>.
/// </summary>
static unsafe class WinogradConvolution
{
    const int MaxColumns = 640;
    const int TilesPerJob = 8;

    // Fewer tiles than this read each filter for too few products.
    const int LeastStretch = 96;

    // Filters that threads transform for themselves are cut finer than by panels only where threads would be idle.
    const int JobsPerThread = 4;

    /// <summary>Floats of scratch memory that all threads share.</summary>
    public static long SharedFloats<V, T>(int threads, in ConvolutionShape shape, bool onTheWay)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        int panels = Partition.Pieces(shape.O, V.TileColumns);
        return WinogradGrid<V, T>.Suits(threads, shape, panels, onTheWay) ? 0 : new WinogradLayout<V, T>(shape, panels, onTheWay).Floats;
    }

    /// <summary>Those of the threads' own memory, all together.</summary>
    public static long OwnFloats<V, T>(int threads, in ConvolutionShape shape, bool onTheWay)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        int panels = Partition.Pieces(shape.O, V.TileColumns);
        return WinogradGrid<V, T>.Suits(threads, shape, panels, onTheWay)
            ? new WinogradGrid<V, T>(threads, shape, panels, onTheWay).AllFloats
            : 0;
    }

    /// <param name="transformed">The filter, if it is transformed already.</param>
    /// <param name="onTheWay">The filter, to be transformed while it is used. The result is the same, bit for bit.</param>
    /// <param name="scratch">Memory of <see cref="SharedFloats"/> floats.</param>
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
        var output = new WinogradOutput<V, T>(rowBias, shape, epilogue);
        if (WinogradGrid<V, T>.Suits(threads.Count, shape, panels, onTheWay.Exists))
        {
            var grid = new WinogradGrid<V, T>(threads.Count, shape, panels, onTheWay.Exists);
            threads.Run(grid.Blocks, new WinogradPart<V, T>(x, shape, transformed, onTheWay, output, grid));
            return;
        }

        var layout = new WinogradLayout<V, T>(shape, panels, onTheWay.Exists);
        WinogradPlanes planes = layout.Planes;
        float* zeros = scratch;
        new Span<float>(zeros, shape.I).Clear();
        float* inputs = zeros + planes.ZeroFloats;
        float* products = zeros + planes.Products;
        float* group = zeros + planes.Floats;
        var input = new WinogradInput<V, T>(x, zeros, shape);
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
            threads.Run(jobs, new InputJob<V, T>(input, inputs, planes, first, tiles, jobs));
            if (layout.FewTiles)
            {
                int splits = Splits<T>(threads.Count, panels);
                var job = new WinogradFusedJob<V, T>(inputs, onTheWay, products, planes, tiles, splits);
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
                    Multiply<V, T>(threads, inputs, some, products + panel * V.TileColumns, planes, tiles);
                }
            }

            threads.Run(jobs, new OutputJob<V, T>(output, products, shape.O, planes, first, tiles, jobs));
        }
    }

    static void Multiply<V, T>(
        Threads threads, float* inputs, WinogradPanels filter, float* products, in WinogradPlanes planes, int tiles)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        int columnBlocks = Partition.Pieces(filter.Panels, MaxColumns / V.TileColumns);

        // Each thread multiplies the tiles that it has transformed, and brings them back.
        int stretches = Math.Min(threads.Count, Partition.Pieces(tiles, LeastStretch));
        var job = new WinogradProductJob<V, T>(inputs, filter, products, planes, tiles, stretches, columnBlocks);
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

    /// <summary>Some tiles of a block.</summary>
    readonly struct InputJob<V, T>(
        WinogradInput<V, T> input, float* inputs, WinogradPlanes planes, int firstTile, int tiles, int jobs) : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        public void Run(int index, Worker worker)
        {
            int tile = Partition.Start(tiles, jobs, index);
            int count = Partition.Start(tiles, jobs, index + 1) - tile;
            float* to = inputs + tile * planes.InputPitch;
            float* scratch = worker.Scratch(WinogradInput<V, T>.ScratchFloats);
            input.Transform(firstTile + tile, count, to, planes.InputPitch, planes.InputPlane, scratch);
        }
    }

    /// <summary>Some tiles of a block.</summary>
    readonly struct OutputJob<V, T>(
        WinogradOutput<V, T> output, float* products, int channels, WinogradPlanes planes, int firstTile, int tiles, int jobs) : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        public void Run(int index, Worker worker)
        {
            int tile = Partition.Start(tiles, jobs, index);
            int count = Partition.Start(tiles, jobs, index + 1) - tile;
            float* from = products + tile * planes.ProductPitch;
            float* scratch = worker.Scratch(WinogradOutput<V, T>.ScratchFloats);
            output.Transform(firstTile + tile, count, from, planes.ProductPitch, planes.ProductPlane, 0, channels, scratch);
        }
    }
}
