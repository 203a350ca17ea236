namespace JeDi.Cpu;

/// <summary>How a convolution with a large filter is cut, with scratch memory that threads share: planes, transformed filters.</summary>
readonly struct WinogradLayout<V, T>
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    // Both sides of the products stay in the caches ...
    const long BlockBytes = 2L << 20;

    // ... but a block has so many tiles that reading the filters, once a block, is hidden behind the products.
    const int MinTiles = 96;

    // Filters that are not kept are transformed group by group: a group is still in the last-level cache when it is read.
    const long GroupBytes = 16L << 20;

    // Most scratch memory with filters that are not kept.
    const long MostBytes = 64L << 20;

    /// <param name="shape">Of the convolution.</param>
    /// <param name="panels">Of the filter.</param>
    /// <param name="onTheWay">The filter is transformed in this call.</param>
    public WinogradLayout(in ConvolutionShape shape, int panels, bool onTheWay)
    {
        Tiles = new WinogradTiling(shape, T.Outputs).Count;
        int points = T.Size * T.Size;
        int columns = panels * V.TileColumns;
        long tileBytes = WinogradPlanes.TileBytes(points, shape.I, columns);
        int atOnce = (int)Math.Max(MinTiles, BlockBytes / tileBytes);
        FewTiles = onTheWay && Tiles <= MinTiles;
        GroupPanels = onTheWay && !FewTiles ? panels : 0;
        long panelBytes = WinogradFilter<T>.ByteCount(1, V.TileColumns, shape.I, points);
        if (GroupPanels * panelBytes > GroupBytes)
        {
            // One block or, with many tiles, the whole filter at once: it is transformed once a call. If neither has room, once a block.
            int most = (int)((MostBytes - Math.Max(GroupBytes, panelBytes)) / tileBytes);
            if (Tiles <= most || panels * panelBytes + MinTiles * tileBytes > MostBytes)
            {
                FewTiles = Tiles > most && most < 2 * MinTiles;
                GroupPanels = FewTiles ? 0 : (int)Math.Max(1, GroupBytes / panelBytes);
                atOnce = (int)Math.Max(MinTiles, FewTiles ? MostBytes / tileBytes : most);
            }
        }

        Blocks = Partition.Pieces(Tiles, atOnce);
        Planes = new WinogradPlanes(points, shape.I, columns, (Tiles + Blocks - 1) / Blocks);
        GroupFloats = GroupPanels * panelBytes / sizeof(float);
    }

    public int Tiles { get; }

    public int Blocks { get; }

    /// <summary>
    /// The filter is transformed on the way, for a block of so few tiles that moving it through the last-level cache would cost more than
    /// reading the tiles once a panel: each thread transforms what it multiplies at once.
    /// </summary>
    public bool FewTiles { get; }

    /// <summary>Panels of a filter that are transformed at a time for all threads; 0 where none are.</summary>
    public int GroupPanels { get; }

    public long GroupFloats { get; }

    /// <summary>Of a block.</summary>
    public WinogradPlanes Planes { get; }

    public long Floats => Planes.Floats + GroupFloats;
}
