using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>The numbers of a weight, row-major [N, K], for the forms that a backward operation makes of them.</summary>
static unsafe class WeightValue
{
    /// <summary>Floats of scratch memory that <see cref="Find"/> needs.</summary>
    public static long ScratchFloats(Parameter w) => w.Value.Exists && w.Value.DType == DType.F32 ? 0 : w.Shape.Count;

    /// <summary>Where they stand, or widened into <paramref name="scratch"/>.</summary>
    public static float* Find<V>(Threads threads, Parameter w, float* scratch) where V : unmanaged, ISimd<V>
    {
        if (w.Value.Exists && w.Value.DType == DType.F32)
        {
            return (float*)w.Value.Address;
        }

        int rows = w.Shape[0];
        int columns = checked((int)(w.Shape.Count / rows));
        threads.Run(rows, new WidenRows<V>((void*)w.Value.Address, w.Value.DType, scratch, columns));
        return scratch;
    }

    /// <summary>A block is a row.</summary>
    readonly struct WidenRows<V>(void* source, DType type, float* target, int columns) : IJob where V : unmanaged, ISimd<V>
    {
        readonly void* source = source;
        readonly float* target = target;

        public void Run(int index, Worker worker) =>
            Widen.ToFloats<V>(target + (long)index * columns, source, type, (long)index * columns, columns);
    }
}
