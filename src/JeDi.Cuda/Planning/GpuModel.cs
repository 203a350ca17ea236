namespace JeDi.Cuda.Planning;

/// <summary>What the shape of a launch, and how much of it runs at once, depend on of a GPU.</summary>
/// <param name="Name">E.g. "H100".</param>
/// <param name="Capability">10 x major + minor of the compute capability.</param>
/// <param name="Multiprocessors">How many there are.</param>
/// <param name="SharedBytesPerBlock">Most shared memory that a block can ask for.</param>
sealed record GpuModel(string Name, int Capability, int Multiprocessors, int SharedBytesPerBlock)
{
    /// <summary>Shared memory that the driver keeps for each block.</summary>
    const int ReservedBytes = 1024;
    const int WarpSize = 32;

    /// <summary>One of each architecture that code is made for ahead of time.</summary>
    public static IReadOnlyList<GpuModel> Known { get; } =
    [
        new("A100", 80, 108, 166_912),
        new("RTX 3090", 86, 82, 101_376),
        new("RTX 4090", 89, 128, 101_376),
        new("H100", 90, 132, 232_448),
    ];

    /// <summary>What machine code for it is compiled for.</summary>
    public string Architecture => ArchitectureOf(Capability);

    /// <summary>Warps that a multiprocessor holds.</summary>
    public int MostWarps => Capability is 80 or 90 ? 64 : 48;

    int MostBlocks => Capability switch
    {
        80 or 90 => 32,
        89 => 24,
        _ => 16,
    };

    /// <summary>E.g. 90 as sm_90a.</summary>
    public static string ArchitectureOf(int capability) => capability == 90 ? "sm_90a" : $"sm_{capability}";

    /// <summary>Blocks that a multiprocessor holds at once.</summary>
    /// <param name="registers">Of a thread.</param>
    /// <param name="threads">Of a block.</param>
    /// <param name="sharedBytes">Of a block, static and dynamic.</param>
    public int BlocksAtOnce(int registers, int threads, int sharedBytes)
    {
        const int RegisterUnit = 256;
        const int SharedUnit = 128;
        const int RegistersOfQuarter = 16_384;
        int warps = CudaKernels.Pieces(threads, WarpSize);
        int ofWarp = CudaKernels.Pieces(Math.Max(1, registers) * WarpSize, RegisterUnit) * RegisterUnit;
        int byRegisters = RegistersOfQuarter / ofWarp * 4 / warps;
        int shared = CudaKernels.Pieces(sharedBytes + ReservedBytes, SharedUnit) * SharedUnit;
        int byShared = (SharedBytesPerBlock + ReservedBytes) / shared;
        return Math.Min(Math.Min(byRegisters, byShared), Math.Min(MostWarps / warps, MostBlocks));
    }
}
