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
