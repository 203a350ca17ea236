using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>
/// dw += the correlation of dy with x by Winograd's algorithm, run backwards: each tile of x and of dy is transformed, for each of the
/// Size^2 points the tiles of an image are a matrix product, and G^T u G brings its sums back to nine taps. The sums of one image are
/// brought back and added before those of the next, so that images at once and one by one give equal bits.
/// </summary>
static unsafe class WinogradWeights
{
    const int Taps = 3;

    // Transformed tiles of a few images stay in the second-level cache: all panels of x read those of dy again.
    const long ChunkFloats = 3L << 17;

    const int TilesPerJob = 8;

    /// <summary>Floats of shared scratch memory for <see cref="Run"/>.</summary>
    public static long ScratchFloats<V, T>(in ConvolutionShape shape)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile => new Layout<V, T>(shape).Floats;

    public static void Run<V, T>(Threads threads, float* dw, float* dy, float* x, in ConvolutionShape shape, float* scratch)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        var layout = new Layout<V, T>(shape);
        float* zeros = scratch;
        new Span<float>(zeros, Math.Max(shape.I, shape.O)).Clear();
        float* inputs = zeros + layout.ZeroFloats;
        float* outputs = inputs + layout.InputFloats * layout.ImagesAtOnce;
        for (int first = 0; first < shape.Images; first += layout.ImagesAtOnce)
        {
            int images = Math.Min(layout.ImagesAtOnce, shape.Images - first);
            float* from = x + (long)first * shape.Height * shape.Width * shape.I;
            float* gradient = dy + (long)first * shape.OutputHeight * shape.OutputWidth * shape.O;
            int jobs = Partition.Pieces(layout.Tiles, TilesPerJob);
            threads.Run(images * jobs, new TransformJob<V, T>(from, gradient, zeros, inputs, outputs, shape, layout, jobs));
            threads.Run(layout.RowTiles * layout.Panels, new ProductJob<V, T>(dw, inputs, outputs, shape, layout, images));
        }
    }

    /// <summary>
    /// Sizes of the scratch memory. An image's transformed x: [point][panel][tile][TileColumns]; its transformed dy:
    /// [point][row tile][tile][pitch].
    /// </summary>
    readonly struct Layout<V, T>
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        public Layout(in ConvolutionShape shape)
        {
            Across = Partition.Pieces(shape.OutputWidth, T.Outputs);
            Tiles = Across * Partition.Pieces(shape.OutputHeight, T.Outputs);
            Panels = Partition.Pieces(shape.I, V.TileColumns);
            RowTiles = Partition.Pieces(shape.O, V.TileRows);
            RowPitch = OuterProduct.TilePitch<V>();
            ZeroFloats = Aligned(Math.Max(shape.I, shape.O));
            InputFloats = (long)T.Size * T.Size * Panels * Tiles * V.TileColumns;
            OutputFloats = (long)T.Size * T.Size * RowTiles * Tiles * RowPitch;
            ImagesAtOnce = (int)Math.Clamp(ChunkFloats / (InputFloats + OutputFloats), 1, shape.Images);
        }

        /// <summary>Tiles side by side in an image.</summary>
        public int Across { get; }

        public int Tiles { get; }

        public int Panels { get; }

        public int RowTiles { get; }

        public int RowPitch { get; }

        public long ZeroFloats { get; }

        public long InputFloats { get; }

        public long OutputFloats { get; }

        public int ImagesAtOnce { get; }

        public long Floats => ZeroFloats + (InputFloats + OutputFloats) * ImagesAtOnce;

        /// <summary>Floats from point to point of the transformed x.</summary>
        public nint InputPoint => (nint)Panels * Tiles * V.TileColumns;

        public nint OutputPoint => (nint)RowTiles * Tiles * RowPitch;

        static long Aligned(int floats) => (floats + 15) / 16 * 16;
    }

    /// <summary>A block is some tiles of an image: B^T x B and A dy A^T.</summary>
    readonly struct TransformJob<V, T>(
        float* x, float* dy, float* zeros, float* inputs, float* outputs, ConvolutionShape shape, Layout<V, T> layout, int jobs) : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        readonly float* x = x;
        readonly float* dy = dy;
        readonly float* zeros = zeros;
        readonly float* inputs = inputs;
        readonly float* outputs = outputs;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int size = T.Size;
            float* columns = worker.Scratch(size * size * (V.Width + sizeof(float*) / sizeof(float)) + 2 * layout.RowPitch);
            float** pixels = (float**)(columns + size * size * V.Width);
            int image = index / jobs;
            float* input = inputs + image * layout.InputFloats;
            float* output = outputs + image * layout.OutputFloats;
            int end = Partition.Start(layout.Tiles, jobs, index % jobs + 1);
            for (int tile = Partition.Start(layout.Tiles, jobs, index % jobs); tile < end; tile++)
            {
                FindInputs(image, tile, pixels);
                for (int c = 0; c < shape.I; c += V.Width)
                {
                    float* target = input + ((nint)(c / V.TileColumns) * layout.Tiles + tile) * V.TileColumns + c % V.TileColumns;
                    for (int j = 0; j < size; j++)
                    {
                        T.Input<V, Pixels<V>>(new(pixels + j, size, c), new(columns + j * V.Width, size * V.Width));
                    }

                    for (int i = 0; i < size; i++)
                    {
                        T.Input<V, Strided<V>>(
                            new(columns + i * size * V.Width, V.Width), new(target + i * size * layout.InputPoint, layout.InputPoint));
                    }
                }

                FindOutputs(image, tile, pixels);
                TransformOutput(tile, pixels, columns, output);
            }
        }

        /// <summary>A dy A^T of a tile, cut into the row tiles of the product.</summary>
        void TransformOutput(int tile, float** pixels, float* columns, float* output)
        {
            int size = T.Size;
            for (int t = 0; t < layout.RowTiles; t++)
            {
                int first = Partition.Start(shape.O, layout.RowTiles, t);
                int rows = Partition.Start(shape.O, layout.RowTiles, t + 1) - first;
                float* target = output + ((nint)t * layout.Tiles + tile) * layout.RowPitch;
                for (int c = 0; c < rows; c += V.Width)
                {
                    // The register may reach into the next tile's channels, which are not read, but not beyond the last one.
                    int channel = Math.Min(first + c, shape.O - V.Width);
                    int shift = first + c - channel;
                    for (int j = 0; j < T.Outputs; j++)
                    {
                        T.Spread<V, Pixels<V>>(new(pixels + j, T.Outputs, channel), new(columns + j * V.Width, T.Outputs * V.Width));
                    }

                    for (int i = 0; i < size; i++)
                    {
                        Strided<V> row = new(columns + i * T.Outputs * V.Width, V.Width);
                        if (shift == 0)
                        {
                            T.Spread<V, Strided<V>>(row, new(target + c + i * size * layout.OutputPoint, layout.OutputPoint));
                            continue;
                        }

                        float* line = columns + size * T.Outputs * V.Width;
                        T.Spread<V, Strided<V>>(row, new(line, V.Width));
                        for (int j = 0; j < size; j++)
                        {
                            float* to = target + c + (i * size + j) * layout.OutputPoint;
                            new ReadOnlySpan<float>(line + j * V.Width + shift, V.Width - shift).CopyTo(new Span<float>(to, V.Width));
                        }
                    }
                }
            }
        }

        void FindInputs(int image, int tile, float** pixels)
        {
            int halved = shape.Geometry.Upsample ? 1 : 0;
            int top = tile / layout.Across * T.Outputs - 1;
            int left = tile % layout.Across * T.Outputs - 1;
            float* first = x + (nint)image * shape.Height * shape.Width * shape.I;
            for (int i = 0; i < T.Size * T.Size; i++)
            {
                int row = top + i / T.Size;
                int column = left + i % T.Size;
                bool outside = row < 0 || column < 0 || row >= shape.Height << halved || column >= shape.Width << halved;
                pixels[i] = outside ? zeros : first + ((nint)(row >> halved) * shape.Width + (column >> halved)) * shape.I;
            }
        }

        void FindOutputs(int image, int tile, float** pixels)
        {
            int top = tile / layout.Across * T.Outputs;
            int left = tile % layout.Across * T.Outputs;
            float* first = dy + (nint)image * shape.OutputHeight * shape.OutputWidth * shape.O;
            for (int i = 0; i < T.Outputs * T.Outputs; i++)
            {
                int row = top + i / T.Outputs;
                int column = left + i % T.Outputs;
                bool outside = row >= shape.OutputHeight || column >= shape.OutputWidth;
                pixels[i] = outside ? zeros : first + ((nint)row * shape.OutputWidth + column) * shape.O;
            }
        }
    }

    /// <summary>A block is a tile of rows and a panel of dw: the products of all points, image by image, brought back and added.</summary>
    readonly struct ProductJob<V, T>(
        float* dw, float* inputs, float* outputs, ConvolutionShape shape, Layout<V, T> layout, int images) : IJob
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        readonly float* dw = dw;
        readonly float* inputs = inputs;
        readonly float* outputs = outputs;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int size = T.Size;
            int rowTile = index % layout.RowTiles;
            int panel = index / layout.RowTiles;
            int first = Partition.Start(shape.O, layout.RowTiles, rowTile);
            int rows = Partition.Start(shape.O, layout.RowTiles, rowTile + 1) - first;
            nint point = (nint)V.TileRows * V.TileColumns;
            float* sums = worker.Scratch(size * size * point + (Taps * size + Taps) * V.Width);
            float* half = sums + size * size * point;
            for (int image = 0; image < images; image++)
            {
                float* a = outputs + image * layout.OutputFloats + (nint)rowTile * layout.Tiles * layout.RowPitch;
                float* b = inputs + image * layout.InputFloats + (nint)panel * layout.Tiles * V.TileColumns;
                for (int p = 0; p < size * size; p++, a += layout.OutputPoint, b += layout.InputPoint)
                {
                    V.MultiplyTransposed(rows, a, layout.RowPitch, b, layout.Tiles, sums + p * point, V.TileColumns, false);
                }

                for (int row = 0; row < rows; row++)
                {
                    for (int c = 0; c < V.TileColumns; c += V.Width)
                    {
                        int channel = panel * V.TileColumns + c;
                        if (channel < shape.I)
                        {
                            float* to = dw + (nint)(first + row) * Taps * Taps * shape.I + channel;
                            T.Gather<V>(new(sums + row * V.TileColumns + c, point), new(to, shape.I), half);
                        }
                    }
                }
            }
        }
    }
}
