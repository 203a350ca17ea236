using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// A 3x3 filter that is to be transformed: one in panels, whose sums run over [3][3][I], or the filter of another convolution, row-major
/// [I][3][3][O], to be turned by 180 degrees: what the gradient of that convolution multiplies by.
/// </summary>
readonly unsafe struct WinogradTaps
{
    const int Taps = 3;

    readonly PackedMatrix? packed;
    readonly float* turned;
    readonly int columns;

    public WinogradTaps(PackedMatrix packed)
    {
        this.packed = packed;
        Channels = packed.K / (Taps * Taps);
        Panels = packed.Panels;
    }

    /// <param name="turned">[channels][3][3][columns].</param>
    public WinogradTaps(float* turned, int channels, int columns, int panelWidth)
    {
        this.turned = turned;
        this.columns = columns;
        Channels = channels;
        Panels = Partition.Pieces(columns, panelWidth);
    }

    public bool Exists => Panels > 0;

    /// <summary>I.</summary>
    public int Channels { get; }

    public int Panels { get; }

    /// <summary>The taps of some channels of a panel: tap t of channel d at [d * channelPitch + t * tapPitch], as floats.</summary>
    /// <param name="widened">Room for nine taps of so many channels.</param>
    /// <param name="width">Columns that there are; the rest of the panel is zeros.</param>
    public float* Find<V>(int panel, int first, int depth, float* widened, out nint channelPitch, out nint tapPitch, out int width)
        where V : unmanaged, ISimd<V>
    {
        if (packed is null)
        {
            const int Last = Taps * Taps - 1;
            (channelPitch, tapPitch) = ((nint)Taps * Taps * columns, -columns);
            width = Math.Min(V.TileColumns, columns - panel * V.TileColumns);
            return turned + first * channelPitch + Last * (nint)columns + panel * V.TileColumns;
        }

        (channelPitch, width) = (V.TileColumns, V.TileColumns);
        if (packed.Type == DType.F32)
        {
            tapPitch = (nint)Channels * V.TileColumns;
            return (float*)packed.Panel(panel) + (nint)first * V.TileColumns;
        }

        tapPitch = (nint)depth * V.TileColumns;
        for (int tap = 0; tap < Taps * Taps; tap++)
        {
            packed.Floats<V>(panel, 1, tap * Channels + first, depth, widened + tap * tapPitch, out _);
        }

        return widened;
    }
}

/// <summary>G g G^T of every pair of channels: a block is a stretch of channels of a panel.</summary>
/// <param name="firstPanel">Panel of the source that is the target's first.</param>
readonly unsafe struct WinogradFilterJob<V, T>(WinogradPanels target, WinogradTaps source, int firstPanel) : IJob
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    // Nine taps of them, as floats, stay in the second-level cache.
    const int Stretch = 128;

    /// <summary>Blocks for so many panels.</summary>
    public int Count(int panels) => panels * Stretches;

    int Stretches => Partition.Pieces(target.Channels, Stretch);

    public void Run(int index, Worker worker)
    {
        int first = Partition.Start(target.Channels, Stretches, index % Stretches);
        int depth = Partition.Start(target.Channels, Stretches, index % Stretches + 1) - first;
        var filter = new FilterStretch<V, T>(source, firstPanel + index / Stretches, first, depth);
        float* to = target.Panel(0, index / Stretches) + (nint)first * V.TileColumns;
        filter.Transform(0, T.Size, to, target.PointFloats, worker.Scratch(FilterStretch<V, T>.ScratchFloats(depth)));
    }
}

/// <summary>Some channels of a panel.</summary>
readonly unsafe struct FilterStretch<V, T>(WinogradTaps source, int panel, int first, int depth)
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    const int Taps = 3;

    public static long ScratchFloats(int depth) => Taps * T.Size * V.Width + (long)Taps * Taps * depth * V.TileColumns;

    /// <summary>Some rows of points of G g G^T.</summary>
    /// <param name="to">[points][depth][TileColumns], the points <paramref name="pitch"/> floats apart.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Transform(int firstRow, int rows, float* to, nint pitch, float* scratch)
    {
        int size = T.Size;
        float* columns = scratch;
        float* taps = source.Find<V>(
            panel, first, depth, columns + Taps * size * V.Width, out nint channelPitch, out nint tapPitch, out int width);
        for (int d = 0; d < depth; d++, taps += channelPitch, to += V.TileColumns)
        {
            for (int c = 0; c < V.TileColumns; c += V.Width)
            {
                if (c >= width)
                {
                    for (int i = 0; i < rows * size; i++)
                    {
                        V.Zero.Store(to + i * pitch + c);
                    }

                    continue;
                }

                for (int j = 0; j < Taps; j++)
                {
                    T.Filter<V>(new(taps + j * tapPitch + c, Taps * tapPitch), new(columns + j * V.Width, Taps * V.Width));
                }

                for (int i = 0; i < rows; i++)
                {
                    T.Filter<V>(new(columns + (firstRow + i) * Taps * V.Width, V.Width), new(to + i * size * pitch + c, pitch));
                }
            }
        }
    }
}
