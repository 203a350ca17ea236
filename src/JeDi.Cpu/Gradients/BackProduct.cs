using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>
/// dx [M, K] (+)= dy [M, N] w [N, K]: a matrix product whose right operand is made of w's rows as they stand, in panels
/// [K / TileColumns][N][TileColumns]. Each element is one chain of multiply-adds in ascending n.
/// </summary>
static unsafe class BackProduct
{
    const int MaxRows = 256;
    const int MaxColumns = 640;
    const int BlocksPerThread = 4;
    const int AliasingPitch = 512;
    const int PitchPadding = 16;

    /// <summary>Floats of the panels of w.</summary>
    public static long PanelFloats<V>(int n, int k) where V : unmanaged, ISimd<V> =>
        (long)Partition.Pieces(k, V.TileColumns) * V.TileColumns * n;

    /// <summary>Makes the panels.</summary>
    public static void Pack<V>(Threads threads, float* panels, float* w, int n, int k) where V : unmanaged, ISimd<V> =>
        threads.Run(Partition.Pieces(k, V.TileColumns), new PackJob<V>(panels, new MatrixRows(w, k), n));

    public static void Run<V>(Threads threads, float* dx, float* dy, int m, int n, int k, float* panels, bool add)
        where V : unmanaged, ISimd<V>
    {
        int panelCount = Partition.Pieces(k, V.TileColumns);
        int rowBlocks = Partition.Pieces(m, MaxRows);
        int columnBlocks = Partition.Pieces(panelCount, MaxColumns / V.TileColumns);
        while (threads.Count > 1 && rowBlocks * columnBlocks < BlocksPerThread * threads.Count)
        {
            if (m / rowBlocks >= 2 * V.TileRows)
            {
                rowBlocks *= 2;
            }
            else if (panelCount >= 2 * columnBlocks)
            {
                columnBlocks *= 2;
            }
            else
            {
                break;
            }
        }

        threads.Run(rowBlocks * columnBlocks, new Job<V>(dx, dy, m, n, k, panels, panelCount, add, rowBlocks, columnBlocks));
    }

    readonly struct PackJob<V>(float* panels, MatrixRows rows, int n) : IJob where V : unmanaged, ISimd<V>
    {
        public void Run(int index, Worker worker) =>
            rows.Pack<V>(panels + (long)index * n * V.TileColumns, 0, n, index * V.TileColumns, V.TileColumns);
    }

    /// <summary>A block is some rows and panels.</summary>
    readonly struct Job<V>(
        float* dx, float* dy, int m, int n, int k, float* panels, int panelCount, bool add, int rowBlocks, int columnBlocks) : IJob
        where V : unmanaged, ISimd<V>
    {
        readonly float* dx = dx;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            bool byRows = m > k;
            int rowBlock = byRows ? index / columnBlocks : index % rowBlocks;
            int columnBlock = byRows ? index % columnBlocks : index / rowBlocks;
            int firstRow = Partition.Start(m, rowBlocks, rowBlock);
            int rows = Partition.Start(m, rowBlocks, rowBlock + 1) - firstRow;
            int firstPanel = Partition.Start(panelCount, columnBlocks, columnBlock);
            int count = Partition.Start(panelCount, columnBlocks, columnBlock + 1) - firstPanel;
            int firstColumn = firstPanel * V.TileColumns;
            int columns = Math.Min(count * V.TileColumns, k - firstColumn);

            int step = MatrixProduct.DepthStep(n);
            bool direct = columns == count * V.TileColumns && !add;
            bool copied = n % AliasingPitch == 0;
            nint sumPitch = direct ? k : count * V.TileColumns + PitchPadding;
            nint copyPitch = step + PitchPadding;
            long sumFloats = direct ? 0 : sumPitch * rows;
            float* scratch = worker.Scratch(sumFloats + (copied ? copyPitch * rows : 0));
            float* to = dx + (long)firstRow * k + firstColumn;
            float* sums = direct ? to : scratch;
            nint panelPitch = (nint)n * V.TileColumns;
            for (int at = 0; at < n; at += step)
            {
                int depth = Math.Min(step, n - at);
                float* a = dy + (long)firstRow * n + at;
                nint lda = n;
                if (copied)
                {
                    float* copy = scratch + sumFloats;
                    for (int r = 0; r < rows; r++)
                    {
                        new ReadOnlySpan<float>(a + r * lda, depth).CopyTo(new Span<float>(copy + r * copyPitch, depth));
                    }

                    a = copy;
                    lda = copyPitch;
                }

                float* panel = panels + firstPanel * panelPitch + (nint)at * V.TileColumns;
                MatrixProduct.Multiply<V>(a, lda, rows, panel, panelPitch, count, depth, sums, sumPitch, at > 0, columns);
            }

            if (!direct)
            {
                Sums.Write<V>(to, k, sums, sumPitch, rows, columns, add);
            }
        }
    }
}

/// <summary>Finished sums on their way to a gradient.</summary>
static unsafe class Sums
{
    /// <summary>to [rows, columns] (+)= sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write<V>(float* to, nint pitch, float* sums, nint sumPitch, int rows, int columns, bool add)
        where V : unmanaged, ISimd<V>
    {
        for (int r = 0; r < rows; r++, to += pitch, sums += sumPitch)
        {
            int i = 0;
            for (; i <= columns - V.Width; i += V.Width)
            {
                V value = V.Load(sums + i);
                (add ? V.Load(to + i) + value : value).Store(to + i);
            }

            if (i < columns)
            {
                int left = columns - i;
                V value = V.LoadPartial(sums + i, left);
                (add ? V.LoadPartial(to + i, left) + value : value).StorePartial(to + i, left);
            }
        }
    }
}
