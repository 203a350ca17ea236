using JeDi.Cuda.Planning;

namespace JeDi.Bench.Roofline;

/// <summary>What a GPU does in a second at best, by its data sheet, and what of it these kernels can reach.</summary>
/// <param name="Model">Sizes.</param>
/// <param name="Clock">Hertz under load.</param>
/// <param name="TensorFlop">F16 products with F32 sums: FLOP of one multiprocessor in a clock.</param>
/// <param name="MmaShare">Share of a tensor core that mma.sync reaches; wgmma alone feeds a whole one of Hopper.</param>
/// <param name="MemoryBytes">Bytes a second.</param>
sealed record GpuRates(GpuModel Model, double Clock, double TensorFlop, double MmaShare, double MemoryBytes)
{
    /// <summary>Instructions of a warp that a multiprocessor issues in a clock.</summary>
    public const double Issued = 4;

    /// <summary>Exponentials, reciprocals and roots of a multiprocessor in a clock.</summary>
    public const double Special = 16;

    /// <summary>Bytes of shared memory in a clock.</summary>
    public const double SharedBytes = 128;

    /// <summary>Seconds from one node of a graph to the next, measured on an H100.</summary>
    public const double Node = 1.3e-6;

    /// <summary>Share of the memory's rate that a copy reaches: 2.4 of 3.35 TB/s on an H100.</summary>
    public const double MemoryShare = 0.72;

    public static IReadOnlyList<GpuRates> Known { get; } =
    [
        new(Of("A100"), 1.41e9, 2048, 1, 1.94e12),
        new(Of("H100"), 1.755e9, 4096, 0.62, 3.35e12),
        new(Of("RTX 4090"), 2.52e9, 512, 1, 1.01e12),
    ];

    static GpuModel Of(string name) => GpuModel.Known.Single(gpu => gpu.Name == name);
}
