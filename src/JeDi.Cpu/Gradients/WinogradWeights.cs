namespace JeDi.Cpu;

/// <summary>
/// dw += the correlation of dy with x by Winograd's algorithm, run backwards: each tile of x and of dy is transformed, for each of the
/// Size^2 points the tiles of an image are a matrix product, and G^T u G brings its sums back to nine taps. The sums of one image are
/// brought back and added before those of the next, so that images at once and one by one give equal bits.
/// </summary>
static unsafe class WinogradWeights
{
    public static void Run<V, T>(Threads threads, float* dw, float* dy, float* x, in ConvolutionShape shape)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        var grid = WinogradWeightsGrid.Of<V>(threads.Count, shape);
        threads.Run(grid.RowBlocks * grid.PanelBlocks, new WinogradWeightsJob<V, T>(dw, dy, x, shape, grid));
    }

    /// <summary>Floats of scratch memory of the threads together.</summary>
    public static long ScratchFloats<V, T>(int threads, in ConvolutionShape shape)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        var grid = WinogradWeightsGrid.Of<V>(threads, shape);
        return grid.RowBlocks * grid.PanelBlocks * new WinogradWeightsJob<V, T>(null, null, null, shape, grid).MostScratchFloats;
    }
}

/// <summary>
/// How dw is cut: blocks of rows times blocks of panels, a thread each. A thread transforms for itself what it multiplies, x once
/// in each block of rows and dy once in each block of panels: lines that another thread reads and this one writes again cost more than
/// a transform.
/// </summary>
readonly record struct WinogradWeightsGrid(int Panels, int RowBlocks, int PanelBlocks)
{
    // Of an image, in tenths of a row's products with a panel, brought back: one thread, AVX-512.
    const long ProductCost = 10;
    const long InputCost = 58;
    const long OutputCost = 2;

    // More where rows of dw lie side by side with those of another thread, which prefetches them.
    const long NeighbourCost = 2;

    public static WinogradWeightsGrid Of<V>(int threads, in ConvolutionShape shape) where V : unmanaged, ISimd<V>
    {
        int panels = Partition.Pieces(shape.I, V.TileColumns);
        (WinogradWeightsGrid best, long least) = (default, long.MaxValue);
        for (int rowBlocks = 1; rowBlocks <= Math.Min(threads, shape.O); rowBlocks++)
        {
            int panelBlocks = Math.Min(threads / rowBlocks, panels);
            long rows = Partition.Pieces(shape.O, rowBlocks);
            long columns = Partition.Pieces(panels, panelBlocks);
            long product = ProductCost + (panelBlocks > 1 ? NeighbourCost : 0);
            long cost = product * rows * columns + InputCost * columns + OutputCost * rows;
            if (cost < least)
            {
                (best, least) = (new(panels, rowBlocks, panelBlocks), cost);
            }
        }

        return best;
    }
}
