using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>Product of one point and some columns with filters that are transformed already.</summary>
readonly unsafe struct WinogradProductJob<V, T>(
    float* inputs, WinogradPanels w, float* products, WinogradLayout<V, T> layout, int tiles, int columnBlocks) : IJob
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

/// <summary>
/// Products of some rows of points and one panel of columns, with the panel's filters transformed on the way: a stretch of channels at a
/// time, whose transform stays in the second-level cache of the thread that reads it. Every sum is the same chain of multiply-adds as with
/// filters that are kept.
/// </summary>
readonly unsafe struct WinogradFusedJob<V, T>(
    float* inputs, PackedMatrix w, float* products, WinogradLayout<V, T> layout, int channels, int tiles, int splits) : IJob
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    const int Taps = 3;

    // Of transformed filters; the rest of a second-level cache is for the tiles.
    const int CachedBytes = 512 << 10;

    readonly float* inputs = inputs;
    readonly float* products = products;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int index, Worker worker)
    {
        int size = T.Size;
        int panel = index / splits;
        int firstRow = Partition.Start(size, splits, index % splits);
        int rows = Partition.Start(size, splits, index % splits + 1) - firstRow;
        int step = Step(rows * size);
        nint stretch = (nint)step * V.TileColumns;
        float* columns = worker.Scratch(Floats(step));
        float* transformed = columns + Taps * size * V.Width;
        float* widened = transformed + stretch * size * rows;
        for (int k = 0; k < channels; k += step)
        {
            int depth = Math.Min(step, channels - k);
            float* taps = Stretch(panel, k, depth, widened, out nint tapPitch);
            Transform(taps, tapPitch, depth * V.TileColumns, columns, firstRow, rows, transformed, stretch);
            for (int i = 0; i < rows * size; i++)
            {
                int point = firstRow * size + i;
                MatrixProduct.Multiply<V>(
                    inputs + point * layout.InputPlane + k,
                    layout.InputPitch,
                    tiles,
                    transformed + i * stretch,
                    stretch,
                    1,
                    depth,
                    products + point * layout.ProductPlane + panel * V.TileColumns,
                    layout.ProductPitch,
                    k > 0);
            }
        }
    }

    /// <summary>Floats of a thread's scratch memory for the whole transform of a stretch.</summary>
    public long ScratchFloats() => Floats(Step((T.Size + splits - 1) / splits * T.Size));

    long Floats(int step)
    {
        int points = (T.Size + splits - 1) / splits * T.Size;
        return Taps * T.Size * V.Width + (long)step * V.TileColumns * (points + Taps * Taps);
    }

    /// <summary>Channels at a time: near-equal stretches whose transform is small enough.</summary>
    int Step(int points)
    {
        int most = Math.Max(16, CachedBytes / (points * V.TileColumns * sizeof(float)));
        int pieces = Partition.Pieces(channels, most);
        return ((channels + pieces - 1) / pieces + 3) / 4 * 4;
    }

    /// <summary>The nine taps of a stretch of channels, as floats.</summary>
    float* Stretch(int panel, int k, int depth, float* widened, out nint tapPitch)
    {
        if (w.Type == Tensors.DType.F32)
        {
            tapPitch = (nint)channels * V.TileColumns;
            return (float*)w.Panel(panel) + (nint)k * V.TileColumns;
        }

        tapPitch = (nint)depth * V.TileColumns;
        for (int tap = 0; tap < Taps * Taps; tap++)
        {
            w.Floats<V>(panel, 1, tap * channels + k, depth, widened + tap * tapPitch, out _);
        }

        return widened;
    }

    /// <summary>G g G^T: some rows of the result's points.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Transform(float* taps, nint tapPitch, nint count, float* columns, int firstRow, int rows, float* target, nint pitch)
    {
        int size = T.Size;
        for (nint at = 0; at < count; at += V.Width)
        {
            for (int j = 0; j < Taps; j++)
            {
                T.Filter<V>(new(taps + j * tapPitch + at, Taps * tapPitch), new(columns + j * V.Width, Taps * V.Width));
            }

            for (int i = 0; i < rows; i++)
            {
                T.Filter<V>(new(columns + (firstRow + i) * Taps * V.Width, V.Width), new(target + i * size * pitch + at, pitch));
            }
        }
    }
}
