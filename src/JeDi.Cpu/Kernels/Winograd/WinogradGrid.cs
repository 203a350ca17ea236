namespace JeDi.Cpu;

/// <summary>How a convolution with a small filter is cut: blocks of tiles times blocks of panels, a thread each.</summary>
readonly struct WinogradGrid<V, T>
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    /// <summary>Most channels of a panel that are transformed at once: 36 points of them leave room in a second-level cache.</summary>
    public const int FilterStretch = 112;

    // A transformed filter up to this size may be read, or made, by every thread for itself.
    const long SmallFilterBytes = 5L << 20;

    // Of all threads.
    const long MostBytes = 64L << 20;

    // Of the planes of a chunk of tiles, where there are more than so few.
    const long ChunkBytes = 2L << 20;
    const int MinTiles = 96;

    // Costs in hundredths of a tile's products with a panel, one thread, AVX-512.
    const long ProductCost = 100;
    const long OutputCost = 15;
    const long InputCost = 18;
    const long FilterCost = 1400;

    readonly int tiles;
    readonly int panels;
    readonly int tileBlocks;

    /// <param name="onTheWay">The filter is transformed in this call.</param>
    public WinogradGrid(int threads, in ConvolutionShape shape, int panels, bool onTheWay)
    {
        tiles = new WinogradTiling(shape, T.Outputs).Count;
        this.panels = panels;
        (tileBlocks, int panelBlocks) = Cut(threads, tiles, panels, onTheWay ? FilterCost : 0);
        Blocks = tileBlocks * panelBlocks;
        int mostTiles = (tiles + tileBlocks - 1) / tileBlocks;
        int mostPanels = (panels + panelBlocks - 1) / panelBlocks;
        int points = T.Size * T.Size;
        int columns = mostPanels * V.TileColumns;
        int atOnce = (int)Math.Max(MinTiles, ChunkBytes / WinogradPlanes.TileBytes(points, shape.I, columns));
        Chunks = Partition.Pieces(mostTiles, atOnce);
        Planes = new WinogradPlanes(points, shape.I, columns, (mostTiles + Chunks - 1) / Chunks);
        FilterFloats = !onTheWay ? 0
            : Chunks > 1 ? WinogradPanels.Floats(points, mostPanels, shape.I, V.TileColumns)
            : WinogradPanels.Floats(points, 1, Math.Min(shape.I, FilterStretch), V.TileColumns);
    }

    /// <summary>Blocks of tiles times blocks of panels.</summary>
    public int Blocks { get; }

    /// <summary>In how many chunks a block's tiles go through the caches: as many in each block, whose sizes differ by one tile.</summary>
    public int Chunks { get; }

    /// <summary>Of the largest chunk of tiles.</summary>
    public WinogradPlanes Planes { get; }

    public long FilterFloats { get; }

    /// <summary>Of a thread's scratch memory.</summary>
    public long ScratchFloats =>
        Planes.Floats + FilterFloats
        + Math.Max(
            Math.Max(WinogradInput<V, T>.ScratchFloats, WinogradOutput<V, T>.ScratchFloats),
            FilterStretch<V, T>.ScratchFloats(FilterStretch));

    /// <summary>Floats of the scratch memory of all threads.</summary>
    public long AllFloats => Blocks * ScratchFloats;

    /// <summary>Whether a convolution is cut so. It has no say in the bits of the result.</summary>
    public static bool Suits(int threads, in ConvolutionShape shape, int panels, bool onTheWay) =>
        WinogradPanels.Floats(T.Size * T.Size, panels, shape.I, V.TileColumns) * sizeof(float) <= SmallFilterBytes
        && new WinogradGrid<V, T>(threads, shape, panels, onTheWay).AllFloats * sizeof(float) <= MostBytes;

    /// <summary>First tile and tiles of a block.</summary>
    public (int First, int Count) Tiles(int block)
    {
        int first = Partition.Start(tiles, tileBlocks, block % tileBlocks);
        return (first, Partition.Start(tiles, tileBlocks, block % tileBlocks + 1) - first);
    }

    /// <summary>First panel and panels of a block.</summary>
    public (int First, int Count) Panels(int block)
    {
        int panelBlocks = Blocks / tileBlocks;
        int first = Partition.Start(panels, panelBlocks, block / tileBlocks);
        return (first, Partition.Start(panels, panelBlocks, block / tileBlocks + 1) - first);
    }

    /// <summary>The cut whose largest block costs least.</summary>
    static (int TileBlocks, int PanelBlocks) Cut(int threads, int tiles, int panels, long filterCost)
    {
        (int Tiles, int Panels) best = (1, 1);
        long least = long.MaxValue;
        for (int panelBlocks = 1; panelBlocks <= Math.Min(threads, panels); panelBlocks++)
        {
            int tileBlocks = Math.Min(threads / panelBlocks, tiles);
            long p = (panels + panelBlocks - 1) / panelBlocks;
            long t = (tiles + tileBlocks - 1) / tileBlocks;
            long cost = p * t * (ProductCost + OutputCost) + p * filterCost + t * InputCost;
            if (cost < least)
            {
                (best, least) = ((tileBlocks, panelBlocks), cost);
            }
        }

        return best;
    }
}
