using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>Product of a stretch of tiles at one point and some columns of transformed filters.</summary>
readonly unsafe struct WinogradProductJob<V, T>(
    float* inputs, WinogradPanels w, float* products, WinogradPlanes planes, int tiles, int stretches, int columnBlocks) : IJob
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    readonly float* inputs = inputs;
    readonly float* products = products;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int index, Worker worker)
    {
        int point = index / columnBlocks % (T.Size * T.Size);
        int stretch = index / columnBlocks / (T.Size * T.Size);
        int first = Partition.Start(tiles, stretches, stretch);
        int count = Partition.Start(tiles, stretches, stretch + 1) - first;
        int firstPanel = Partition.Start(w.Panels, columnBlocks, index % columnBlocks);
        int panels = Partition.Start(w.Panels, columnBlocks, index % columnBlocks + 1) - firstPanel;
        nint panelPitch = (nint)w.Channels * V.TileColumns;
        int step = MatrixProduct.DepthStep(w.Channels);
        for (int k = 0; k < w.Channels; k += step)
        {
            MatrixProduct.Multiply<V>(
                inputs + point * planes.InputPlane + first * planes.InputPitch + k,
                planes.InputPitch,
                count,
                w.Panel(point, firstPanel) + (nint)k * V.TileColumns,
                panelPitch,
                panels,
                Math.Min(step, w.Channels - k),
                products + point * planes.ProductPlane + first * planes.ProductPitch + firstPanel * V.TileColumns,
                planes.ProductPitch,
                k > 0);
        }
    }
}

/// <summary>
/// Products of some rows of points and one panel of columns, with the panel's filters transformed on the way: a stretch of channels at a
/// time, whose transform stays in the second-level cache of the thread that reads it. Every sum is the same chain of multiply-adds as with
/// filters that are transformed before.
/// </summary>
readonly unsafe struct WinogradFusedJob<V, T>(
    float* inputs, WinogradTaps w, float* products, WinogradPlanes planes, int tiles, int splits) : IJob
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    // Of transformed filters; the rest of a second-level cache is for the tiles.
    const int CachedBytes = 512 << 10;

    readonly float* inputs = inputs;
    readonly float* products = products;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int index, Worker worker)
    {
        int panel = index / splits;
        int firstRow = Partition.Start(T.Size, splits, index % splits);
        int rows = Partition.Start(T.Size, splits, index % splits + 1) - firstRow;
        int step = Step(rows * T.Size);
        nint stretch = (nint)step * V.TileColumns + WinogradPanels.Padding;
        float* transformed = worker.Scratch(stretch * rows * T.Size + FilterStretch<V, T>.ScratchFloats(step));
        for (int k = 0; k < w.Channels; k += step)
        {
            int depth = Math.Min(step, w.Channels - k);
            var filter = new FilterStretch<V, T>(w, panel, k, depth);
            filter.Transform(firstRow, rows, transformed, stretch, transformed + stretch * rows * T.Size);
            for (int i = 0; i < rows * T.Size; i++)
            {
                int point = firstRow * T.Size + i;
                MatrixProduct.Multiply<V>(
                    inputs + point * planes.InputPlane + k,
                    planes.InputPitch,
                    tiles,
                    transformed + i * stretch,
                    stretch,
                    1,
                    depth,
                    products + point * planes.ProductPlane + panel * V.TileColumns,
                    planes.ProductPitch,
                    k > 0);
            }
        }
    }

    /// <summary>Channels at a time: near-equal stretches whose transform is small enough.</summary>
    int Step(int points)
    {
        int most = Math.Max(16, CachedBytes / (points * V.TileColumns * sizeof(float)));
        int pieces = Partition.Pieces(w.Channels, most);
        return ((w.Channels + pieces - 1) / pieces + 3) / 4 * 4;
    }
}
