using System.Diagnostics;
using System.Runtime.CompilerServices;
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

    // Smaller blocks keep several threads busy to the end.
    const int BlocksPerThread = 4;

    // Rows at such distances fall into the same sets of the first-level cache.
    const int AliasingPitch = 512;
    const int PitchPadding = 16;

    public static void Run<V>(Threads threads, float* x, int rows, PackedMatrix w, in Epilogue epilogue) where V : unmanaged, ISimd<V>
    {
        (int rowBlocks, int columnBlocks) = Blocks<V>(threads.Count, rows, w.Panels);
        var job = new Job<V>(x, rows, w, epilogue, rowBlocks, columnBlocks);
        threads.Run(rowBlocks * columnBlocks, job);
    }

    /// <summary>Length of a stretch of the sums: near-equal stretches of at most <see cref="MaxDepth"/>, multiples of four.</summary>
    public static int DepthStep(int depth)
    {
        int pieces = Partition.Pieces(depth, MaxDepth);
        return ((depth + pieces - 1) / pieces + 3) / 4 * 4;
    }

    /// <summary>Into how many blocks of rows and of columns a product is cut.</summary>
    static (int Rows, int Columns) Blocks<V>(int threads, int rows, int panels) where V : unmanaged, ISimd<V>
    {
        int rowBlocks = Partition.Pieces(rows, MaxRows);
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
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<V>(
        float* a, nint lda, int rows, float* panel, nint panelPitch, int panels, int depth, float* c, nint ldc, bool accumulate)
        where V : unmanaged, ISimd<V>
    {
        int tiles = Partition.Pieces(rows, V.TileRows);
        for (int t = 0; t < tiles; t++)
        {
            int first = Partition.Start(rows, tiles, t);
            int count = Partition.Start(rows, tiles, t + 1) - first;
            for (int p = 0; p < panels; p++)
            {
                V.Multiply(
                    count, a + first * lda, lda, panel + p * panelPitch, depth, c + first * ldc + p * V.TileColumns, ldc, accumulate);
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
            int firstRow = Partition.Start(rows, rowBlocks, index % rowBlocks);
            int count = Partition.Start(rows, rowBlocks, index % rowBlocks + 1) - firstRow;
            int firstPanel = Partition.Start(w.Panels, columnBlocks, index / rowBlocks);
            int panels = Partition.Start(w.Panels, columnBlocks, index / rowBlocks + 1) - firstPanel;

            int step = DepthStep(w.K);
            bool direct = epilogue.IsPlain && (firstPanel + panels) * V.TileColumns <= epilogue.Columns;
            bool copied = w.K % AliasingPitch == 0;
            nint sumPitch = direct ? epilogue.Columns : panels * V.TileColumns + PitchPadding;
            bool oneStretch = step >= w.K;
            long sumFloats = direct ? 0 : sumPitch * (oneStretch ? V.TileRows : count);
            nint copyPitch = step + PitchPadding;
            long copyFloats = copied ? copyPitch * count : 0;
            float* scratch = worker.Scratch(sumFloats + copyFloats + w.ScratchFloats(panels, step));
            float* sums = direct ? epilogue.Y + (long)firstRow * epilogue.Columns + firstPanel * V.TileColumns : scratch;
            float* copy = scratch + sumFloats;

            int tiles = Partition.Pieces(count, V.TileRows);
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

                float* panel = w.Floats<V>(firstPanel, panels, k, depth, copy + copyFloats, out nint panelPitch);
                for (int t = 0; t < tiles; t++)
                {
                    int first = Partition.Start(count, tiles, t);
                    int height = Partition.Start(count, tiles, t + 1) - first;
                    float* c = oneStretch && !direct ? sums : sums + first * sumPitch;
                    Multiply<V>(a + first * lda, lda, height, panel, panelPitch, panels, depth, c, sumPitch, k > 0);
                    if (!direct && k + depth == w.K)
                    {
                        epilogue.Write<V>(c, sumPitch, firstRow + first, height, firstPanel, panels);
                    }
                }
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
