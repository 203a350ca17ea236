using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// The right operand w [N, K] of a matrix product in the order in which a micro-kernel reads it: panels of
/// <see cref="PanelWidth"/> rows of w, each [K][PanelWidth], the last one filled up with zeros. With GEGLU the first half of a panel
/// holds values and the second half the gates that belong to them.
/// </summary>
sealed unsafe class PackedMatrix
{
    NativeBuffer buffer;

    PackedMatrix(int n, int k, int panelWidth, bool geglu)
    {
        N = n;
        K = k;
        PanelWidth = panelWidth;
        Geglu = geglu;
        buffer = NativeBuffer.Allocate(ByteCount(n, k, panelWidth, geglu));
    }

    /// <summary>Rows of w: columns of the product before GEGLU halves them.</summary>
    public int N { get; }

    public int K { get; }

    public int PanelWidth { get; }

    public bool Geglu { get; }

    /// <summary>Columns of the result.</summary>
    public int Columns => Geglu ? N / 2 : N;

    /// <summary>Result columns of a panel.</summary>
    public int PanelColumns => Geglu ? PanelWidth / 2 : PanelWidth;

    public int Panels => Partition.Pieces(Columns, PanelColumns);

    public long Bytes => buffer.Bytes;

    /// <summary>Panel <paramref name="index"/>, [K][PanelWidth].</summary>
    public float* Panel(int index) => (float*)buffer.Address + (nint)index * K * PanelWidth;

    /// <summary>Bytes of such a matrix.</summary>
    public static long ByteCount(int n, int k, int panelWidth, bool geglu)
    {
        int panels = geglu ? Partition.Pieces(n / 2, panelWidth / 2) : Partition.Pieces(n, panelWidth);
        return (long)panels * panelWidth * k * sizeof(float);
    }

    /// <summary>Packs w, row-major [n, k] of element type <paramref name="type"/>.</summary>
    public static PackedMatrix Pack<V>(Threads threads, void* w, DType type, int n, int k, bool geglu) where V : unmanaged, ISimd<V>
    {
        var packed = new PackedMatrix(n, k, V.TileColumns, geglu);
        threads.Run(packed.Panels, new PackJob<V>(packed, w, type));
        return packed;
    }

    public void Free() => buffer.Free();

    readonly struct PackJob<V>(PackedMatrix packed, void* w, DType type) : IJob where V : unmanaged, ISimd<V>
    {
        const int Chunk = 64;

        readonly void* w = w;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int width = packed.PanelWidth;
            int depth = packed.K;
            float* target = packed.Panel(index);
            float* rows = worker.Scratch(width * Chunk);
            for (int k = 0; k < depth; k += Chunk)
            {
                int count = Math.Min(Chunk, depth - k);
                for (int r = 0; r < width; r++)
                {
                    int row = SourceRow(index, r);
                    if (row >= 0)
                    {
                        Widen.ToFloats<V>(rows + r * Chunk, w, type, (long)row * depth + k, count);
                    }
                    else
                    {
                        new Span<float>(rows + r * Chunk, count).Clear();
                    }
                }

                for (int i = 0; i < count; i++, target += width)
                {
                    for (int r = 0; r < width; r++)
                    {
                        target[r] = rows[r * Chunk + i];
                    }
                }
            }
        }

        /// <summary>Row of w that is column <paramref name="r"/> of a panel; -1 for padding.</summary>
        int SourceRow(int panel, int r)
        {
            int columns = packed.PanelColumns;
            int column = panel * columns + r % columns;
            return column >= packed.Columns ? -1 : r < columns ? column : packed.Columns + column;
        }
    }
}
