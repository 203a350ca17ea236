using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>The numbers of a weight, row-major [N, K], for the forms that a backward operation makes of them.</summary>
static unsafe class WeightValue
{
    // Rows of a panel that are turned at once.
    const int Chunk = 64;

    /// <summary>Floats of scratch memory that <see cref="Find"/> needs.</summary>
    public static long ScratchFloats(Parameter w) => IsPlain(w) ? 0 : w.Shape.Count;

    /// <summary>Where they stand; those of a weight that is held in panels alone are made in <paramref name="scratch"/>.</summary>
    public static float* Find<V>(Threads threads, Parameter w, float* scratch) where V : unmanaged, ISimd<V>
    {
        if (IsPlain(w))
        {
            return (float*)w.Value.Address;
        }

        PackedMatrix panels = w.Find<PackedMatrix>() ?? throw new InvalidOperationException($"'{w.Name}' has no value");
        threads.Run(panels.Panels, new UnpackJob<V>(panels, scratch));
        return scratch;
    }

    static bool IsPlain(Parameter w) => w.Value.Exists && w.Value.DType == DType.F32;

    /// <summary>A block is a panel: its columns are rows of the weight.</summary>
    readonly struct UnpackJob<V>(PackedMatrix panels, float* target) : IJob where V : unmanaged, ISimd<V>
    {
        public void Run(int index, Worker worker)
        {
            float* scratch = worker.Scratch(Chunk * panels.PanelWidth);
            int columns = panels.PanelColumns;
            for (int k = 0; k < panels.K; k += Chunk)
            {
                int depth = Math.Min(Chunk, panels.K - k);
                float* rows = panels.Floats<V>(index, 1, k, depth, scratch, out _);
                for (int half = 0; half < panels.PanelWidth; half += columns)
                {
                    int count = Math.Min(columns, panels.Columns - index * columns);
                    float* to = target + (long)panels.SourceRow(index, half) * panels.K + k;
                    Transposition.Run(to, panels.K, rows + half, panels.PanelWidth, depth, count);
                }
            }
        }
    }
}
