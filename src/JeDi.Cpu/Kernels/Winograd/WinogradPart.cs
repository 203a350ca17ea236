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
        int chunks = grid.Chunks;
        WinogradPlanes planes = grid.Planes;
        float* zeros = worker.Scratch(grid.ScratchFloats);
        float* inputs = zeros + planes.ZeroFloats;
        float* products = zeros + planes.Products;
        float* filter = zeros + planes.Floats;
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
            input.Transform(firstTile + first, count, inputs, planes.InputPitch, planes.InputPlane, rest);
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
                firstTile + first, count, products, planes.ProductPitch, planes.ProductPlane, channel, panels * V.TileColumns, rest);
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    void Multiply(float* inputs, int tiles, WinogradPanels filter, int firstPanel, int panels, float* products)
    {
        WinogradPlanes planes = grid.Planes;
        int channels = shape.I;
        int step = MatrixProduct.DepthStep(channels);
        for (int point = 0; point < T.Size * T.Size; point++, inputs += planes.InputPlane, products += planes.ProductPlane)
        {
            float* panel = filter.Panel(point, firstPanel);
            for (int k = 0; k < channels; k += step)
            {
                MatrixProduct.Multiply<V>(
                    inputs + k, planes.InputPitch, tiles, panel + (nint)k * V.TileColumns, (nint)channels * V.TileColumns, panels,
                    Math.Min(step, channels - k), products, planes.ProductPitch, k > 0);
            }
        }
    }

    /// <summary>With one panel, whose transform stays in the second-level cache until it is read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    void MultiplyOnTheWay(float* inputs, int tiles, int panel, float* products, float* transformed, float* scratch)
    {
        WinogradPlanes planes = grid.Planes;
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
                    inputs + point * planes.InputPlane + first, planes.InputPitch, tiles, transformed + point * pitch, pitch, 1, depth,
                    products + point * planes.ProductPlane, planes.ProductPitch, first > 0);
            }
        }
    }
}
