using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void Gemm(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation, Tensor preActivation)
    {
        PackedMatrix matrix = Panels(w);
        Debug.Assert(matrix.Geglu == (activation == Activation.Geglu), "the matrix was packed for another activation");
        MatrixProduct.Run<V>(threads, Floats(x), checked((int)(x.Count / matrix.K)), matrix, new Epilogue
        {
            Y = Floats(y),
            Columns = matrix.Columns,
            Bias = Floats(bias),
            Residual = Floats(residual),
            Activation = activation,
            PreActivation = Floats(preActivation),
        });
    }
}

/// <summary>
/// y [M, N] = x [M, K] w [N, K]^T, in blocks of rows and columns that threads take in turn. Each element is one chain of multiply-adds
/// in ascending k, so neither blocks nor threads change its bits.
/// </summary>
static unsafe class MatrixProduct
{
    // A block's operands stay in a 1 MB second-level cache.
    const int MaxRows = 256;
    const int MaxColumns = 640;
    public const int MaxDepth = 384;

    // The same for long sums of floats. Where a weight is widened on the way, twice as many blocks would widen it twice as often; of longer
    // ones it would come from memory again for each block of rows.
    const int MaxLongRows = 128;
    const int MaxLongDepth = 1280;
    const int MaxLongSum = 2560;

    // Smaller blocks keep several threads busy to the end.
    const int BlocksPerThread = 4;

    // Rows at such distances fall into one set of the first-level cache, which has no room for those of a tile.
    const int AliasingPitch = 1024;
    const int PitchPadding = 16;

    public static void Run<V>(Threads threads, float* x, int rows, PackedMatrix w, in Epilogue epilogue) where V : unmanaged, ISimd<V>
    {
        (int rowBlocks, int columnBlocks) = Blocks<V>(threads.Count, rows, IsLong(w) ? MaxLongRows : MaxRows, w.Panels);
        var job = new Job<V>(x, rows, w, epilogue, rowBlocks, columnBlocks);
        threads.Run(rowBlocks * columnBlocks, job);
    }

    /// <summary>Length of a stretch of the sums: near-equal stretches of at most <paramref name="most"/>, multiples of four.</summary>
    public static int DepthStep(int depth, int most = MaxDepth)
    {
        int pieces = Partition.Pieces(depth, most);
        return ((depth + pieces - 1) / pieces + 3) / 4 * 4;
    }

    /// <summary>
    /// Whether blocks have fewer rows and longer stretches: a sum of several stretches goes to memory and back with each.
    /// </summary>
    static bool IsLong(PackedMatrix w) => w.Type == DType.F32 && w.K is > MaxDepth and <= MaxLongSum;

    /// <summary>Into how many blocks of rows and of columns a product is cut.</summary>
    static (int Rows, int Columns) Blocks<V>(int threads, int rows, int mostRows, int panels) where V : unmanaged, ISimd<V>
    {
        int rowBlocks = Partition.Pieces(rows, mostRows);
        int columnBlocks = Partition.Pieces(panels, MaxColumns / V.TileColumns);
        while (threads > 1 && rowBlocks * columnBlocks < BlocksPerThread * threads)
        {
            int blockRows = rows / rowBlocks;
            int blockPanels = panels / columnBlocks;
            if (blockRows > 8 * V.TileRows && blockRows >= blockPanels * V.TileColumns)
            {
                rowBlocks *= 2;
            }
            else if (blockPanels >= 4)
            {
                columnBlocks *= 2;
            }
            else if (blockRows >= 2 * V.TileRows)
            {
                rowBlocks *= 2;
            }
            else if (blockPanels >= 2)
            {
                columnBlocks *= 2;
            }
            else
            {
                break;
            }
        }

        return (rowBlocks, columnBlocks);
    }

    /// <summary>
    /// c [rows, panels * TileColumns] (+)= a times a stretch of the panels; in tiles of nearly equal height.
    /// </summary>
    /// <param name="panel">First panel, from its first k on.</param>
    /// <param name="panelPitch">Floats from panel to panel.</param>
    /// <param name="columns">Columns of c that are wanted: half of the last panel may be left out.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<V>(
        float* a, nint lda, int rows, float* panel, nint panelPitch, int panels, int depth, float* c, nint ldc, bool accumulate,
        int columns = int.MaxValue)
        where V : unmanaged, ISimd<V>
    {
        int whole = columns <= panels * V.TileColumns - V.Width ? panels - 1 : panels;
        int tiles = Partition.Pieces(rows, V.TileRows);
        for (int t = 0; t < tiles; t++)
        {
            int first = Partition.Start(rows, tiles, t);
            int count = Partition.Start(rows, tiles, t + 1) - first;
            for (int p = 0; p < whole; p++)
            {
                V.Multiply(
                    count, a + first * lda, lda, panel + p * panelPitch, depth, c + first * ldc + p * V.TileColumns, ldc, accumulate);
            }

            if (whole < panels)
            {
                V.MultiplyNarrow(
                    count, a + first * lda, lda, panel + whole * panelPitch, depth, c + first * ldc + whole * V.TileColumns, ldc,
                    accumulate);
            }
        }
    }

    readonly struct Job<V>(float* x, int rows, PackedMatrix w, Epilogue epilogue, int rowBlocks, int columnBlocks) : IJob
        where V : unmanaged, ISimd<V>
    {
        readonly float* x = x;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            // What is larger is read once: rows, which each thread finds where it left them, or columns of the weight.
            bool byRows = rows > w.N;
            int rowBlock = byRows ? index / columnBlocks : index % rowBlocks;
            int columnBlock = byRows ? index % columnBlocks : index / rowBlocks;
            int firstRow = Partition.Start(rows, rowBlocks, rowBlock);
            int count = Partition.Start(rows, rowBlocks, rowBlock + 1) - firstRow;
            int firstPanel = Partition.Start(w.Panels, columnBlocks, columnBlock);
            int panels = Partition.Start(w.Panels, columnBlocks, columnBlock + 1) - firstPanel;

            bool oneStretch = w.K <= MaxDepth;
            int step = DepthStep(w.K, IsLong(w) ? MaxLongDepth : MaxDepth);
            bool direct = epilogue.IsPlain && (firstPanel + panels) * V.TileColumns <= epilogue.Columns;
            bool copied = w.K % AliasingPitch == 0;
            nint sumPitch = direct ? epilogue.Columns : panels * V.TileColumns + PitchPadding;
            long sumFloats = direct ? 0 : sumPitch * (oneStretch ? V.TileRows : count);
            nint copyPitch = step + PitchPadding;
            long copyFloats = copied ? copyPitch * count : 0;
            float* scratch = worker.Scratch(sumFloats + copyFloats + w.ScratchFloats(oneStretch ? panels : 1, step));
            float* sums = direct ? epilogue.Y + (long)firstRow * epilogue.Columns + firstPanel * V.TileColumns : scratch;
            float* copy = scratch + sumFloats;

            for (int k = 0; k < w.K; k += step)
            {
                int depth = Math.Min(step, w.K - k);
                float* a = x + (nint)firstRow * w.K + k;
                nint lda = w.K;
                if (copied)
                {
                    CopyRows(copy, copyPitch, a, lda, count, depth);
                    a = copy;
                    lda = copyPitch;
                }

                if (oneStretch)
                {
                    OneStretch(a, lda, firstRow, count, firstPanel, panels, sums, sumPitch, direct, copy + copyFloats);
                    break;
                }

                Stretch(a, lda, count, firstPanel, panels, k, depth, step, sums, sumPitch, copy + copyFloats);
            }

            if (!direct && !oneStretch)
            {
                epilogue.Write<V>(sums, sumPitch, firstRow, count, firstPanel, panels);
            }
        }

        /// <summary>Whole sums, tile by tile through all panels: they are written while they are in the first-level cache.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void OneStretch(
            float* a, nint lda, int firstRow, int count, int firstPanel, int panels, float* sums, nint sumPitch, bool direct,
            float* scratch)
        {
            float* panel = w.Floats<V>(firstPanel, panels, 0, w.K, scratch, out nint panelPitch);
            int tiles = Partition.Pieces(count, V.TileRows);
            for (int t = 0; t < tiles; t++)
            {
                int first = Partition.Start(count, tiles, t);
                int height = Partition.Start(count, tiles, t + 1) - first;
                float* c = direct ? sums + first * sumPitch : sums;
                int wanted = Wanted(firstPanel);
                Multiply<V>(a + first * lda, lda, height, panel, panelPitch, panels, w.K, c, sumPitch, accumulate: false, wanted);
                if (!direct)
                {
                    epilogue.Write<V>(c, sumPitch, firstRow + first, height, firstPanel, panels);
                }
            }
        }

        /// <summary>
        /// A stretch of the sums, panel by panel through all tiles. While a panel is used, the next one comes from memory, a share with
        /// each tile: the processor itself looks ahead no further than a page.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void Stretch(
            float* a, nint lda, int count, int firstPanel, int panels, int k, int depth, int step, float* sums, nint sumPitch,
            float* scratch)
        {
            int rowBytes = V.TileColumns * w.Type.Size();
            int tiles = Partition.Pieces(count, V.TileRows);
            for (int p = 0; p < panels; p++)
            {
                float* panel = w.Floats<V>(firstPanel + p, 1, k, depth, scratch, out _);
                bool last = p + 1 == panels;
                bool narrow = Wanted(firstPanel + p) <= V.Width;
                int nextK = last ? k + depth : k;
                byte* next = w.Panel(firstPanel + (last ? 0 : p + 1)) + (nint)nextK * rowBytes;
                int nextBytes = Math.Min(step, w.K - nextK) * rowBytes;
                for (int t = 0; t < tiles; t++)
                {
                    int first = Partition.Start(count, tiles, t);
                    int height = Partition.Start(count, tiles, t + 1) - first;
                    Prefetch(next + Partition.Start(nextBytes, tiles, t), next + Partition.Start(nextBytes, tiles, t + 1));
                    float* to = sums + first * sumPitch + p * V.TileColumns;
                    if (narrow)
                    {
                        V.MultiplyNarrow(height, a + first * lda, lda, panel, depth, to, sumPitch, k > 0);
                    }
                    else
                    {
                        V.Multiply(height, a + first * lda, lda, panel, depth, to, sumPitch, k > 0);
                    }
                }
            }
        }

        /// <summary>Columns of the sums that are read, from a panel on.</summary>
        int Wanted(int panel) => w.Geglu ? int.MaxValue : epilogue.Columns - panel * V.TileColumns;

        /// <summary>Asks for memory to come to the second-level cache.</summary>
        static void Prefetch(byte* from, byte* to)
        {
            const int LineBytes = 64;
            for (; Sse.IsSupported && from < to; from += LineBytes)
            {
                Sse.Prefetch1(from);
            }
        }

        static void CopyRows(float* target, nint targetPitch, float* source, nint sourcePitch, int rows, int columns)
        {
            for (int r = 0; r < rows; r++)
            {
                new ReadOnlySpan<float>(source + r * sourcePitch, columns).CopyTo(new Span<float>(target + r * targetPitch, columns));
            }
        }
    }
}
