using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>Rows of the right operand of an <see cref="OuterProduct"/>.</summary>
interface IRows
{
    /// <summary>Columns.</summary>
    int Columns { get; }

    /// <summary>
    /// Columns <paramref name="column"/> to column + <paramref name="width"/> of rows <paramref name="first"/> to first +
    /// <paramref name="count"/>, packed [count][width]; zeros beyond the last column.
    /// </summary>
    unsafe void Pack<V>(float* target, int first, int count, int column, int width) where V : unmanaged, ISimd<V>;
}

/// <summary>
/// c [N, K] += a^T b for a [M, N] and b [M, K]: the gradient of a weight. Each element is one chain of multiply-adds in ascending m that
/// begins with what c holds: neither blocks nor threads change its bits, and images given at once or one by one give the same ones.
/// </summary>
static unsafe class OuterProduct
{
    // A panel of b and a tile of a share the first-level cache.
    const int MaxDepth = 128;

    // A block's part of a stays in the second-level cache.
    const int MaxRows = 252;
    const int MaxPanels = 8;
    const int BlocksPerThread = 4;

    // Of packing a panel, in rows that it is multiplied with.
    const int PackCost = 8;

    /// <param name="lda">Floats from row to row of a.</param>
    /// <param name="n">Columns of a, rows of c.</param>
    public static void Run<V, R>(Threads threads, float* c, float* a, nint lda, int m, int n, R b)
        where V : unmanaged, ISimd<V>
        where R : struct, IRows
    {
        int panels = Partition.Pieces(b.Columns, V.TileColumns);
        (int rowBlocks, int columnBlocks) = Cut(threads.Count, n, panels);
        threads.Run(rowBlocks * columnBlocks, new Job<V, R>(c, a, lda, m, n, b, panels, rowBlocks, columnBlocks));
    }

    /// <summary>The cut whose busiest thread has least to do: it packs each panel once for each block of rows.</summary>
    static (int Rows, int Columns) Cut(int threads, int n, int panels)
    {
        (int Rows, int Columns) coarsest = (Partition.Pieces(n, MaxRows), Partition.Pieces(panels, MaxPanels));
        (int Rows, int Columns) best = coarsest;
        long least = long.MaxValue;
        for (int rows = coarsest.Rows; rows <= n; rows++)
        {
            for (int columns = coarsest.Columns; columns <= panels; columns++)
            {
                int blocks = rows * columns;
                if (blocks > BlocksPerThread * threads)
                {
                    break;
                }

                long cost = (long)Partition.Pieces(blocks, threads) * Partition.Pieces(panels, columns)
                    * (PackCost + Partition.Pieces(n, rows));
                if (cost < least)
                {
                    (best, least) = ((rows, columns), cost);
                }
            }

            if (rows * coarsest.Columns > BlocksPerThread * threads)
            {
                break;
            }
        }

        return best;
    }

    /// <summary>A block is some rows and panels of c.</summary>
    readonly struct Job<V, R>(float* c, float* a, nint lda, int m, int n, R b, int panels, int rowBlocks, int columnBlocks) : IJob
        where V : unmanaged, ISimd<V>
        where R : struct, IRows
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int firstRow = Partition.Start(n, rowBlocks, index % rowBlocks);
            int rows = Partition.Start(n, rowBlocks, index % rowBlocks + 1) - firstRow;
            int firstPanel = Partition.Start(panels, columnBlocks, index / rowBlocks);
            int endPanel = Partition.Start(panels, columnBlocks, index / rowBlocks + 1);
            int tiles = Partition.Pieces(rows, V.TileRows);
            int stretches = Partition.Pieces(m, MaxDepth);
            int deepest = m / stretches + 1;
            float* panel = worker.Scratch((long)V.TileColumns * deepest + V.TileRows * V.TileColumns);
            float* edge = panel + deepest * V.TileColumns;
            for (int s = 0; s < stretches; s++)
            {
                int first = Partition.Start(m, stretches, s);
                int depth = Partition.Start(m, stretches, s + 1) - first;
                for (int p = firstPanel; p < endPanel; p++)
                {
                    b.Pack<V>(panel, first, depth, p * V.TileColumns, V.TileColumns);
                    int columns = Math.Min(V.TileColumns, b.Columns - p * V.TileColumns);
                    for (int t = 0; t < tiles; t++)
                    {
                        int row = Partition.Start(rows, tiles, t);
                        int height = Partition.Start(rows, tiles, t + 1) - row;
                        float* to = c + (long)(firstRow + row) * b.Columns + p * V.TileColumns;
                        float* tile = a + first * lda + firstRow + row;
                        if (columns == V.TileColumns)
                        {
                            V.MultiplyTransposed(height, tile, lda, panel, depth, to, b.Columns, true);
                        }
                        else
                        {
                            CopyRows(edge, V.TileColumns, to, b.Columns, height, columns);
                            V.MultiplyTransposed(height, tile, lda, panel, depth, edge, V.TileColumns, true);
                            CopyRows(to, b.Columns, edge, V.TileColumns, height, columns);
                        }
                    }
                }
            }
        }
    }

    /// <summary>Floats from row to row of a packed tile of the left operand.</summary>
    public static int TilePitch<V>() where V : unmanaged, ISimd<V> => (V.TileRows + V.Width - 1) / V.Width * V.Width;

    static void CopyRows(float* to, nint toPitch, float* from, nint fromPitch, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
        {
            new ReadOnlySpan<float>(from + r * fromPitch, columns).CopyTo(new Span<float>(to + r * toPitch, columns));
        }
    }
}

/// <summary>Rows in memory, one after the other.</summary>
readonly unsafe struct MatrixRows(float* first, int columns) : IRows
{
    readonly float* first = first;

    public int Columns => columns;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pack<V>(float* target, int row, int count, int column, int width) where V : unmanaged, ISimd<V>
    {
        float* from = first + (long)row * columns + column;
        if (column + width <= columns)
        {
            for (int r = 0; r < count; r++, from += columns, target += width)
            {
                for (int i = 0; i < width; i += V.Width)
                {
                    V.Load(from + i).Store(target + i);
                }
            }

            return;
        }

        for (int r = 0; r < count; r++, from += columns, target += width)
        {
            for (int i = 0; i < width; i += V.Width)
            {
                V.LoadPartial(from + i, Math.Clamp(columns - column - i, 0, V.Width)).Store(target + i);
            }
        }
    }
}
