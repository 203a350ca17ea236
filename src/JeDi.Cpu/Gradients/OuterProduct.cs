using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>Rows of the right operand of an <see cref="OuterProduct"/>.</summary>
interface IRows
{
    /// <summary>Columns.</summary>
    int Columns { get; }

    /// <summary>Those that may be other than zero in columns <paramref name="column"/> to column + <paramref name="width"/>.</summary>
    RowSet Find(int column, int width);

    /// <summary>
    /// Columns <paramref name="column"/> to column + <paramref name="width"/> of rows <paramref name="first"/> to first +
    /// <paramref name="count"/> of a set, packed [count][width]; zeros beyond the last column.
    /// </summary>
    unsafe void Pack<V>(float* target, in RowSet set, int first, int count, int column, int width) where V : unmanaged, ISimd<V>;
}

/// <summary>Of rows that are the pixels of images, row by row, those of a rectangle of each image.</summary>
readonly record struct RowSet(int Height, int Width, int Top, int Bottom, int Left, int Right)
{
    /// <summary>Every row of a matrix.</summary>
    public static RowSet Every => new(1, 1, 0, 1, 0, 1);

    public bool IsEvery => Across == Width && Bottom - Top == Height;

    public int Across => Right - Left;

    /// <summary>Rows of an image.</summary>
    public int PerImage => Across * (Bottom - Top);

    /// <summary>Of so many rows, how many are in the set.</summary>
    public int Count(int rows) => rows / (Height * Width) * PerImage;

    /// <summary>Where row <paramref name="index"/> of the set is among all rows.</summary>
    public int Row(int index) =>
        (index / PerImage * Height + Top + index % PerImage / Across) * Width + Left + index % Across;
}

/// <summary>
/// c [N, K] += a^T b for a [M, N] and b [M, K]: the gradient of a weight. Each element is one chain of multiply-adds in ascending m that
/// begins with what c holds: neither blocks nor threads change its bits, and images given at once or one by one give the same ones.
/// </summary>
static unsafe class OuterProduct
{
    // A panel of b and a tile of a share the first-level cache.
    const int MaxDepth = 128;
    const int MaxPackedDepth = 192;

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
            int deepest = Math.Min(m, MaxPackedDepth);
            float* panel = worker.Scratch(
                (long)V.TileColumns * (deepest + V.TileRows) + (tiles * TilePitch<V>() + sizeof(float*) / sizeof(float)) * (long)deepest);
            float* edge = panel + deepest * V.TileColumns;
            float* left = edge + V.TileRows * V.TileColumns;
            float** found = (float**)(left + (nint)tiles * TilePitch<V>() * deepest);
            for (int p = firstPanel, end; p < endPanel; p = end)
            {
                // Panels whose sums run over the same rows are multiplied together.
                RowSet set = b.Find(p * V.TileColumns, V.TileColumns);
                for (end = p + 1; end < endPanel && b.Find(end * V.TileColumns, V.TileColumns) == set; end++)
                {
                }

                int count = set.Count(m);
                bool packed = !set.IsEvery;
                int stretches = count == 0 ? 0 : Partition.Pieces(count, packed ? MaxPackedDepth : MaxDepth);
                for (int s = 0; s < stretches; s++)
                {
                    int first = Partition.Start(count, stretches, s);
                    int depth = Partition.Start(count, stretches, s + 1) - first;
                    if (!packed)
                    {
                        Multiply(p, end, set, first, depth, firstRow, rows, a + first * lda + firstRow, lda, 1, panel, edge);
                    }
                    else
                    {
                        PackLeft(left, found, set, first, depth, firstRow, rows);
                        Multiply(p, end, set, first, depth, firstRow, rows, left, TilePitch<V>(), 0, panel, edge);
                    }
                }
            }
        }

        /// <summary>Some rows of a set times some panels.</summary>
        /// <param name="tileStep">0: tiles of the left operand are packed, one after the other. 1: they lie side by side.</param>
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        void Multiply(
            int firstPanel, int endPanel, in RowSet set, int first, int depth, int firstRow, int rows, float* left, nint leftPitch,
            int tileStep, float* panel, float* edge)
        {
            int tiles = Partition.Pieces(rows, V.TileRows);
            for (int p = firstPanel; p < endPanel; p++)
            {
                b.Pack<V>(panel, set, first, depth, p * V.TileColumns, V.TileColumns);
                int columns = Math.Min(V.TileColumns, b.Columns - p * V.TileColumns);
                for (int t = 0; t < tiles; t++)
                {
                    int row = Partition.Start(rows, tiles, t);
                    int height = Partition.Start(rows, tiles, t + 1) - row;
                    float* to = c + (long)(firstRow + row) * b.Columns + p * V.TileColumns;
                    float* tile = left + (tileStep == 0 ? t * depth * leftPitch : row);
                    if (columns == V.TileColumns)
                    {
                        V.MultiplyTransposed(height, tile, leftPitch, panel, depth, to, b.Columns, true);
                    }
                    else
                    {
                        CopyRows(edge, V.TileColumns, to, b.Columns, height, columns);
                        V.MultiplyTransposed(height, tile, leftPitch, panel, depth, edge, V.TileColumns, true);
                        CopyRows(to, b.Columns, edge, V.TileColumns, height, columns);
                    }
                }
            }
        }

        /// <summary>Some rows of a set of the left operand, tile by tile: [tile][depth][TilePitch].</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        void PackLeft(float* to, float** found, in RowSet set, int first, int depth, int firstRow, int rows)
        {
            int tiles = Partition.Pieces(rows, V.TileRows);
            int pitch = TilePitch<V>();
            float* end = a + (m - 1) * lda + n;
            for (int d = 0; d < depth; d++)
            {
                found[d] = a + set.Row(first + d) * lda;
            }

            for (int t = 0; t < tiles; t++)
            {
                int row = firstRow + Partition.Start(rows, tiles, t);
                int height = firstRow + Partition.Start(rows, tiles, t + 1) - row;
                for (int d = 0; d < depth; d++, to += pitch)
                {
                    float* from = found[d] + row;
                    for (int i = 0; i < height; i += V.Width)
                    {
                        // What is beyond the tile's rows is not multiplied.
                        V value = from + i + V.Width <= end ? V.Load(from + i) : V.LoadPartial(from + i, height - i);
                        value.Store(to + i);
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

    public RowSet Find(int column, int width) => RowSet.Every;

    public void Pack<V>(float* target, in RowSet set, int first, int count, int column, int width) where V : unmanaged, ISimd<V> =>
        Pack<V>(target, first, count, column, width);

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
