using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>
/// A block is some tiles and panels, from the image to the image in one thread's memory: what another thread wrote costs more to read
/// than to compute.
/// </summary>
readonly unsafe struct WinogradPart<V, T>(
    float* x, ConvolutionShape shape, WinogradPanels transformed, WinogradTaps onTheWay, WinogradOutput<V, T> output,
    WinogradGrid<V, T> grid) : IJob
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    readonly float* x = x;

    public void Run(int index, Worker worker)
    {
        (int firstTile, int tiles) = grid.Tiles(index);
        (int firstPanel, int panels) = grid.Panels(index);
        int chunks = grid.Chunks(tiles);
        float* zeros = worker.Scratch(grid.ScratchFloats);
        float* inputs = zeros + grid.ZeroFloats;
        float* products = inputs + grid.InputPlane * T.Size * T.Size;
        float* filter = products + grid.ProductPlane * T.Size * T.Size;
        float* rest = filter + grid.FilterFloats;
        new Span<float>(zeros, shape.I).Clear();
        var input = new WinogradInput<V, T>(x, zeros, shape);
        WinogradPanels whole = transformed;
        if (onTheWay.Exists && chunks > 1)
        {
            whole = new WinogradPanels(filter, shape.I, panels, V.TileColumns);
            for (int panel = 0; panel < panels; panel++)
            {
                Transform(firstPanel + panel, whole.Panel(0, panel), whole.PointFloats, rest);
            }
        }

        int firstOfWhole = onTheWay.Exists ? 0 : firstPanel;
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            int first = Partition.Start(tiles, chunks, chunk);
            int count = Partition.Start(tiles, chunks, chunk + 1) - first;
            input.Transform(firstTile + first, count, inputs, grid.InputPitch, grid.InputPlane, rest);
            if (!onTheWay.Exists || chunks > 1)
            {
                Multiply(inputs, count, whole, firstOfWhole, panels, products);
            }
            else
            {
                for (int panel = 0; panel < panels; panel++)
                {
                    MultiplyOnTheWay(inputs, count, firstPanel + panel, products + panel * V.TileColumns, filter, rest);
                }
            }

            int channel = firstPanel * V.TileColumns;
            output.Transform(
                firstTile + first, count, products, grid.ProductPitch, grid.ProductPlane, channel, panels * V.TileColumns, rest);
        }
    }

    /// <summary>A panel of the filter, a stretch of channels after the other.</summary>
    void Transform(int panel, float* to, nint pitch, float* scratch)
    {
        int stretches = Partition.Pieces(shape.I, WinogradGrid<V, T>.FilterStretch);
        for (int s = 0; s < stretches; s++)
        {
            int first = Partition.Start(shape.I, stretches, s);
            int depth = Partition.Start(shape.I, stretches, s + 1) - first;
            new FilterStretch<V, T>(onTheWay, panel, first, depth).Transform(0, T.Size, to + (nint)first * V.TileColumns, pitch, scratch);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void Multiply(float* inputs, int tiles, WinogradPanels filter, int firstPanel, int panels, float* products)
    {
        int channels = shape.I;
        int step = MatrixProduct.DepthStep(channels);
        for (int point = 0; point < T.Size * T.Size; point++, inputs += grid.InputPlane, products += grid.ProductPlane)
        {
            float* panel = filter.Panel(point, firstPanel);
            for (int k = 0; k < channels; k += step)
            {
                MatrixProduct.Multiply<V>(
                    inputs + k, grid.InputPitch, tiles, panel + (nint)k * V.TileColumns, (nint)channels * V.TileColumns, panels,
                    Math.Min(step, channels - k), products, grid.ProductPitch, k > 0);
            }
        }
    }

    /// <summary>With one panel, whose transform stays in the second-level cache until it is read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void MultiplyOnTheWay(float* inputs, int tiles, int panel, float* products, float* transformed, float* scratch)
    {
        int stretches = Partition.Pieces(shape.I, WinogradGrid<V, T>.FilterStretch);
        for (int s = 0; s < stretches; s++)
        {
            int first = Partition.Start(shape.I, stretches, s);
            int depth = Partition.Start(shape.I, stretches, s + 1) - first;
            nint pitch = (nint)depth * V.TileColumns + WinogradPanels.Padding;
            new FilterStretch<V, T>(onTheWay, panel, first, depth).Transform(0, T.Size, transformed, pitch, scratch);
            for (int point = 0; point < T.Size * T.Size; point++)
            {
                MatrixProduct.Multiply<V>(
                    inputs + point * grid.InputPlane + first, grid.InputPitch, tiles, transformed + point * pitch, pitch, 1, depth,
                    products + point * grid.ProductPlane, grid.ProductPitch, first > 0);
            }
        }
    }
}

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

    const int AliasingPitch = 512;
    const int PitchPadding = 16;

    readonly int tiles;
    readonly int panels;
    readonly int tileBlocks;
    readonly int atOnce;

    /// <param name="onTheWay">The filter is transformed in this call.</param>
    public WinogradGrid(int threads, in ConvolutionShape shape, int panels, bool onTheWay)
    {
        tiles = new WinogradTiling(shape, T.Outputs).Count;
        this.panels = panels;
        (tileBlocks, int panelBlocks) = Cut(threads, tiles, panels, onTheWay ? FilterCost : 0);
        Blocks = tileBlocks * panelBlocks;
        int mostTiles = (tiles + tileBlocks - 1) / tileBlocks;
        int mostPanels = (panels + panelBlocks - 1) / panelBlocks;
        ZeroFloats = (shape.I + PitchPadding - 1) / PitchPadding * PitchPadding;
        InputPitch = Pitch(shape.I);
        ProductPitch = Pitch(mostPanels * V.TileColumns);
        long tileBytes = (InputPitch + ProductPitch) * sizeof(float) * T.Size * T.Size;
        atOnce = (int)Math.Max(MinTiles, ChunkBytes / tileBytes);
        int chunks = Chunks(mostTiles);
        int largest = (mostTiles + chunks - 1) / chunks;
        InputPlane = InputPitch * largest + PitchPadding;
        ProductPlane = ProductPitch * largest + PitchPadding;
        int points = T.Size * T.Size;
        FilterFloats = !onTheWay ? 0
            : chunks > 1 ? WinogradPanels.Floats(points, mostPanels, shape.I, V.TileColumns)
            : WinogradPanels.Floats(points, 1, Math.Min(shape.I, FilterStretch), V.TileColumns);
    }

    /// <summary>Blocks of tiles times blocks of panels.</summary>
    public int Blocks { get; }

    public nint ZeroFloats { get; }

    /// <summary>Floats from tile to tile.</summary>
    public nint InputPitch { get; }

    public nint ProductPitch { get; }

    /// <summary>Floats from point to point.</summary>
    public nint InputPlane { get; }

    public nint ProductPlane { get; }

    public long FilterFloats { get; }

    /// <summary>Of a thread's scratch memory.</summary>
    public long ScratchFloats =>
        ZeroFloats + (InputPlane + ProductPlane) * T.Size * T.Size + FilterFloats
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

    /// <summary>In how many chunks so many tiles go through the caches.</summary>
    public int Chunks(int count) => Partition.Pieces(count, atOnce);

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

    static nint Pitch(int floats) => floats % AliasingPitch == 0 ? floats + PitchPadding : floats;
}
