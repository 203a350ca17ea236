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

    /// <summary>Panel <paramref name="index"/> of the matrix of <paramref name="point"/>, [I][PanelWidth].</summary>
    public float* Panel(int point, int index) => (float*)memory.Address + ((nint)point * Panels + index) * Channels * panelWidth;

    /// <summary>Bytes of such a filter.</summary>
    public static long ByteCount(int panels, int panelWidth, int channels, int points) =>
        (long)points * panels * panelWidth * channels * sizeof(float);

    /// <summary>From the filter's panels, which stand before it among the parameter's forms.</summary>
    public override void Rebuild(Parameter parameter) => kernels.Transform(this, parameter.Find<PackedMatrix>()!);

    public override void Free() => memory.Device.Free(memory);
}

/// <summary>G g G^T of every pair of channels: a block is a panel.</summary>
readonly unsafe struct WinogradFilterJob<V, T>(WinogradFilter<T> target, PackedMatrix source) : IJob
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    const int Taps = 3;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int index, Worker worker)
    {
        int size = T.Size;
        nint channels = target.Channels;
        float* columns = worker.Scratch(Taps * size * V.Width + source.ScratchFloats(1, source.K));
        float* taps = source.Floats<V>(index, 1, 0, source.K, columns + Taps * size * V.Width, out _);
        nint tapPitch = channels * V.TileColumns;
        nint pointPitch = channels * V.TileColumns * target.Panels;
        float* to = target.Panel(0, index);
        for (nint at = 0; at < channels * V.TileColumns; at += V.Width)
        {
            for (int j = 0; j < Taps; j++)
            {
                T.Filter<V>(new(taps + j * tapPitch + at, Taps * tapPitch), new(columns + j * V.Width, Taps * V.Width));
            }

            for (int i = 0; i < size; i++)
            {
                T.Filter<V>(new(columns + i * Taps * V.Width, V.Width), new(to + i * size * pointPitch + at, pointPitch));
            }
        }
    }
}
