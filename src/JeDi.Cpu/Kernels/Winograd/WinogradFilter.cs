using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// A 3x3 filter transformed for Winograd tiles: one matrix [O, I] for each of the tile's Size^2 points, each packed in panels
/// [I][PanelWidth] as in <see cref="PackedMatrix"/>.
/// </summary>
sealed unsafe class WinogradFilter<T> : ParameterForm where T : struct, IWinogradTile
{
    const int Taps = 3;

    readonly CpuKernels kernels;
    readonly DeviceMemory memory;
    readonly int panelWidth;

    /// <param name="kernels">Whose form it is.</param>
    /// <param name="device">Gives the memory; its contents are undefined.</param>
    /// <param name="filter">The panels that it is made from.</param>
    public WinogradFilter(CpuKernels kernels, Device device, PackedMatrix filter)
    {
        this.kernels = kernels;
        panelWidth = filter.PanelWidth;
        Panels = filter.Panels;
        Channels = filter.K / (Taps * Taps);
        memory = device.Allocate(ByteCount(Panels, panelWidth, Channels, T.Size * T.Size));
    }

    /// <summary>I.</summary>
    public int Channels { get; }

    public int Panels { get; }

    public override long Bytes => memory.Bytes;

    /// <summary>What a convolution reads.</summary>
    public WinogradPanels Form => new((float*)memory.Address, Channels, Panels, panelWidth);

    /// <summary>Bytes of such a filter.</summary>
    public static long ByteCount(int panels, int panelWidth, int channels, int points) =>
        WinogradPanels.Floats(points, panels, channels, panelWidth) * sizeof(float);

    /// <summary>From the filter's panels, which stand before it among the parameter's forms.</summary>
    public override void Rebuild(Parameter parameter) => kernels.Transform(this, parameter.Find<PackedMatrix>()!);

    public override void Free() => memory.Device.Free(memory);
}

/// <summary>G g G^T of every pair of channels: a block is a stretch of channels of a panel.</summary>
/// <param name="firstPanel">Panel of the source that is the target's first.</param>
readonly unsafe struct WinogradFilterJob<V, T>(WinogradPanels target, PackedMatrix source, int firstPanel) : IJob
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

/// <summary>Some channels of a panel of a 3x3 filter, whose sums run over [3][3][I].</summary>
readonly unsafe struct FilterStretch<V, T>(PackedMatrix source, int panel, int first, int depth)
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    const int Taps = 3;

    public static long ScratchFloats(int depth) => Taps * T.Size * V.Width + (long)Taps * Taps * depth * V.TileColumns;

    /// <summary>Some rows of points of G g G^T.</summary>
    /// <param name="to">[points][depth][TileColumns], the points <paramref name="pitch"/> floats apart.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Transform(int firstRow, int rows, float* to, nint pitch, float* scratch)
    {
        int size = T.Size;
        float* columns = scratch;
        float* taps = Read(columns + Taps * size * V.Width, out nint tapPitch);
        nint count = (nint)depth * V.TileColumns;
        for (nint at = 0; at < count; at += V.Width)
        {
            for (int j = 0; j < Taps; j++)
            {
                T.Filter<V>(new(taps + j * tapPitch + at, Taps * tapPitch), new(columns + j * V.Width, Taps * V.Width));
            }

            for (int i = 0; i < rows; i++)
            {
                T.Filter<V>(new(columns + (firstRow + i) * Taps * V.Width, V.Width), new(to + i * size * pitch + at, pitch));
            }
        }
    }

    /// <summary>The nine taps as floats, each [depth][TileColumns].</summary>
    float* Read(float* widened, out nint tapPitch)
    {
        int channels = source.K / (Taps * Taps);
        if (source.Type == DType.F32)
        {
            tapPitch = (nint)channels * V.TileColumns;
            return (float*)source.Panel(panel) + (nint)first * V.TileColumns;
        }

        tapPitch = (nint)depth * V.TileColumns;
        for (int tap = 0; tap < Taps * Taps; tap++)
        {
            source.Floats<V>(panel, 1, tap * channels + first, depth, widened + tap * tapPitch, out _);
        }

        return widened;
    }
}
