using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>
/// A 3x3 filter transformed for Winograd tiles: one matrix [O, I] for each of the tile's Size^2 points, each packed in panels
/// [I][PanelWidth] as in <see cref="PackedMatrix"/>.
/// </summary>
sealed unsafe class WinogradFilter
{
    const int Taps = 3;

    readonly PackedMatrix filter;
    NativeBuffer buffer;

    WinogradFilter(PackedMatrix filter, int points)
    {
        this.filter = filter;
        Channels = filter.K / (Taps * Taps);
        buffer = NativeBuffer.Allocate(ByteCount(filter.Panels, filter.PanelWidth, Channels, points));
    }

    /// <summary>I.</summary>
    public int Channels { get; }

    public int Panels => filter.Panels;

    public long Bytes => buffer.Bytes;

    /// <summary>What a convolution reads.</summary>
    public WinogradPanels Form => new((float*)buffer.Address, Channels, Panels, filter.PanelWidth);

    /// <summary>Panel <paramref name="index"/> of the matrix of <paramref name="point"/>, [I][PanelWidth].</summary>
    public float* Panel(int point, int index) =>
        (float*)buffer.Address + ((nint)point * filter.Panels + index) * Channels * filter.PanelWidth;

    /// <summary>Bytes of such a filter.</summary>
    public static long ByteCount(int panels, int panelWidth, int channels, int points) =>
        (long)points * panels * panelWidth * channels * sizeof(float);

    /// <summary>G g G^T of every pair of channels.</summary>
    public static WinogradFilter Transform<V, T>(Threads threads, PackedMatrix filter)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        var result = new WinogradFilter(filter, T.Size * T.Size);
        threads.Run(filter.Panels, new Job<V, T>(result));
        return result;
    }

    public void Free() => buffer.Free();

    readonly struct Job<V, T>(WinogradFilter result) : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int size = T.Size;
            float* columns = worker.Scratch(Taps * size * V.Width);
            nint channels = result.Channels;
            nint tapPitch = channels * V.TileColumns;
            nint pointPitch = channels * V.TileColumns * result.Panels;
            float* source = result.filter.Panel(index);
            float* target = result.Panel(0, index);
            for (nint at = 0; at < channels * V.TileColumns; at += V.Width)
            {
                for (int j = 0; j < Taps; j++)
                {
                    T.Filter<V>(
                        new(source + j * tapPitch + at, Taps * tapPitch), new(columns + j * V.Width, Taps * V.Width));
                }

                for (int i = 0; i < size; i++)
                {
                    T.Filter<V>(
                        new(columns + i * Taps * V.Width, V.Width), new(target + i * size * pointPitch + at, pointPitch));
                }
            }
        }
    }
}
