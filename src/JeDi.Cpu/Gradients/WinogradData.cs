using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>
/// The transposed convolution with a 3x3 filter as a convolution of dy with the turned filter, by Winograd's algorithm. The filter is
/// transformed at each call, straight from the weight as it is stored.
/// </summary>
static unsafe class WinogradData
{
    const int Taps = 3;

    /// <param name="shape">That of the convolution of dy: its I are the filter's O.</param>
    public static long ScratchFloats<V, T>(in ConvolutionShape shape)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        int panels = Partition.Pieces(shape.O, V.TileColumns);
        return FilterFloats<V, T>(shape, panels) + WinogradConvolution.ScratchFloats<V, T>(shape, panels);
    }

    /// <param name="w">Row-major [O, 3, 3, I] of the forward operation.</param>
    public static void Run<V, T>(Threads threads, float* dx, float* dy, float* w, in ConvolutionShape shape, bool add, float* scratch)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        int panels = Partition.Pieces(shape.O, V.TileColumns);
        var filter = new WinogradPanels(scratch, shape.I, panels, V.TileColumns);
        threads.Run(shape.I, new TransformJob<V, T>(filter, w, shape.O));
        var epilogue = new Epilogue { Y = dx, Columns = shape.O, Residual = add ? dx : null };
        WinogradConvolution.Run<V, T>(threads, dy, shape, filter, null, epilogue, scratch + FilterFloats<V, T>(shape, panels));
    }

    static long FilterFloats<V, T>(in ConvolutionShape shape, int panels)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile => WinogradPanels.Floats(T.Size * T.Size, panels, shape.I, V.TileColumns);

    /// <summary>A block is a filter of the forward operation: row <c>index</c> of every point's matrix.</summary>
    readonly struct TransformJob<V, T>(WinogradPanels filter, float* w, int columns) : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        readonly float* w = w;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int size = T.Size;
            float* half = worker.Scratch(Taps * size * V.Width);
            nint point = filter.PointFloats;

            // Turned by 180 degrees: the last tap comes first.
            float* last = w + ((nint)index * Taps * Taps + Taps * Taps - 1) * columns;
            for (int c = 0; c < filter.Panels * V.TileColumns; c += V.Width)
            {
                float* target = filter.Panel(0, c / V.TileColumns) + (nint)index * V.TileColumns + c % V.TileColumns;
                if (c >= columns)
                {
                    for (int p = 0; p < size * size; p++)
                    {
                        V.Zero.Store(target + p * point);
                    }

                    continue;
                }

                for (int j = 0; j < Taps; j++)
                {
                    T.Filter<V>(new(last + c - j * columns, -Taps * columns), new(half + j * V.Width, Taps * V.Width));
                }

                for (int i = 0; i < size; i++)
                {
                    T.Filter<V>(new(half + i * Taps * V.Width, V.Width), new(target + i * size * point, point));
                }
            }
        }
    }
}
