using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda.Planning;

/// <summary>A launch as it would reach the device, with a copy of its argument.</summary>
sealed record PlannedLaunch(Variant Variant, byte[] Args, Grid Grid, int Threads, int SharedBytes)
{
    /// <summary>The operation that it is part of, where somebody watched (<see cref="DescribedKernels"/>).</summary>
    public OpCall? Call { get; set; }

    /// <summary>Makes it again, where it is cuBLASLt's and no kernel of ours.</summary>
    public Action? Library { get; init; }

    /// <summary>The compiler's options, as one text.</summary>
    public string Options => string.Join(' ', Variant.Kernel.Options(Variant));

    public long Blocks => (long)Grid.X * Grid.Y * Grid.Z;
}

/// <summary>Launches that are noted instead of made, while somebody takes notes.</summary>
sealed unsafe class LaunchNotes
{
    static readonly Kernel byLibrary = new("cublasLt", "cublasLt");
    List<PlannedLaunch>? taken;

    public bool Taking => taken is not null;

    /// <summary>Launches since the notes began; 0 while nobody takes any.</summary>
    public int Count => taken?.Count ?? 0;

    public PlannedLaunch this[int index] => taken![index];

    /// <summary>What <paramref name="work"/> would launch.</summary>
    public IReadOnlyList<PlannedLaunch> Of(Action work)
    {
        taken = [];
        try
        {
            work();
            return taken;
        }
        finally
        {
            taken = null;
        }
    }

    /// <summary>A product that cuBLASLt computes.</summary>
    public void Add(DType type, Action library) =>
        taken!.Add(new PlannedLaunch(new Variant(byLibrary, type), [], new Grid(1), 0, 0) { Library = library });

    public void Add(in Variant variant, void* args, int argsBytes, Grid grid, int threads, int sharedBytes) =>
        taken!.Add(new PlannedLaunch(variant, new ReadOnlySpan<byte>(args, argsBytes).ToArray(), grid, threads, sharedBytes));
}
