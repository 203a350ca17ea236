using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>Which tiles an image has.</summary>
readonly struct WinogradTiling
{
    public WinogradTiling(in ConvolutionShape shape, int outputs)
    {
        Across = Partition.Pieces(shape.OutputWidth, outputs);
        PerImage = Across * Partition.Pieces(shape.OutputHeight, outputs);
        Count = PerImage * shape.Images;
    }

    /// <summary>Side by side.</summary>
    public int Across { get; }

    public int PerImage { get; }

    /// <summary>Of all images.</summary>
    public int Count { get; }
}

/// <summary>B^T d B of tiles.</summary>
/// <param name="zeros">As many as x has channels: what is read beyond an image's border.</param>
readonly unsafe struct WinogradInput<V, T>(float* x, float* zeros, ConvolutionShape shape)
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    readonly float* x = x;
    readonly float* zeros = zeros;
    readonly WinogradTiling tiling = new(shape, T.Outputs);

    public static int ScratchFloats => T.Size * T.Size * (V.Width + sizeof(float*) / sizeof(float));

    /// <param name="first">First tile.</param>
    /// <param name="tiles">How many.</param>
    /// <param name="to">[point][tile][I].</param>
    /// <param name="pitch">Floats from tile to tile.</param>
    /// <param name="plane">Floats from point to point.</param>
    /// <param name="scratch">Memory of <see cref="ScratchFloats"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Transform(int first, int tiles, float* to, nint pitch, nint plane, float* scratch)
    {
        int size = T.Size;
        int channels = shape.I;
        float* columns = scratch;
        float** pixels = (float**)(columns + size * size * V.Width);
        for (int tile = 0; tile < tiles; tile++, to += pitch)
        {
            FindPixels(first + tile, pixels);
            for (int c = 0; c < channels; c += V.Width)
            {
                for (int j = 0; j < size; j++)
                {
                    T.Input<V, Pixels<V>>(new(pixels + j, size, c), new(columns + j * V.Width, size * V.Width));
                }

                for (int i = 0; i < size; i++)
                {
                    T.Input<V, Strided<V>>(new(columns + i * size * V.Width, V.Width), new(to + i * size * plane + c, plane));
                }
            }
        }
    }

    /// <summary>Where the tile's input pixels are: in the image, or among the zeros beyond its border.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void FindPixels(int tile, float** pixels)
    {
        int halved = shape.Geometry.Upsample ? 1 : 0;
        int top = tile % tiling.PerImage / tiling.Across * T.Outputs - 1;
        int left = tile % tiling.Across * T.Outputs - 1;
        float* image = x + (nint)(tile / tiling.PerImage) * shape.Height * shape.Width * shape.I;
        for (int i = 0; i < T.Size; i++)
        {
            for (int j = 0; j < T.Size; j++)
            {
                int row = top + i;
                int column = left + j;
                bool outside = row < 0 || column < 0 || row >= shape.Height << halved || column >= shape.Width << halved;
                *pixels++ = outside ? zeros : image + ((nint)(row >> halved) * shape.Width + (column >> halved)) * shape.I;
            }
        }
    }
}

/// <summary>A^T m A of tiles, with the epilogue; outputs beyond the image are dropped.</summary>
/// <param name="rowBias">[Images, O] or null.</param>
readonly unsafe struct WinogradOutput<V, T>(float* rowBias, ConvolutionShape shape, Epilogue epilogue)
    where V : unmanaged, ISimd<V>
    where T : struct, IWinogradTile
{
    readonly float* rowBias = rowBias;
    readonly WinogradTiling tiling = new(shape, T.Outputs);

    public static int ScratchFloats => (T.Outputs * T.Size + T.Outputs) * V.Width;

    /// <param name="first">First tile.</param>
    /// <param name="tiles">How many.</param>
    /// <param name="from">[point][tile][channels].</param>
    /// <param name="pitch">Floats from tile to tile.</param>
    /// <param name="plane">Floats from point to point.</param>
    /// <param name="channel">The output's channel that is first in <paramref name="from"/>.</param>
    /// <param name="channels">How many; those beyond the output's last are dropped.</param>
    /// <param name="scratch">Memory of <see cref="ScratchFloats"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Transform(int first, int tiles, float* from, nint pitch, nint plane, int channel, int channels, float* scratch)
    {
        int size = T.Size;
        int outputs = T.Outputs;
        int outputHeight = shape.OutputHeight;
        int outputWidth = shape.OutputWidth;
        nint pixel = shape.O;
        nint rowPitch = outputWidth * pixel;
        int end = Math.Min(channels, shape.O - channel);
        float* columns = scratch;
        float* line = columns + outputs * size * V.Width;
        for (int tile = first; tile < first + tiles; tile++, from += pitch)
        {
            int image = tile / tiling.PerImage;
            int top = tile % tiling.PerImage / tiling.Across * outputs;
            int left = tile % tiling.Across * outputs;
            int rows = Math.Min(outputs, outputHeight - top);
            int width = Math.Min(outputs, outputWidth - left);
            nint start = ((nint)image * outputHeight + top) * rowPitch + left * pixel + channel;
            for (int c = 0; c < end; c += V.Width)
            {
                for (int j = 0; j < size; j++)
                {
                    T.Output<V>(new(from + j * plane + c, size * plane), new(columns + j * V.Width, size * V.Width));
                }

                V bias = epilogue.Bias == null ? V.Zero : V.Load(epilogue.Bias + channel + c);
                bias = rowBias == null ? bias : bias + V.Load(rowBias + (nint)image * pixel + channel + c);
                for (int i = 0; i < rows; i++)
                {
                    T.Output<V>(new(columns + i * size * V.Width, V.Width), new(line, V.Width));
                    nint offset = start + i * rowPitch + c;
                    for (int j = 0; j < width; j++, offset += pixel)
                    {
                        V value = V.Load(line + j * V.Width) + bias;
                        value = epilogue.Residual == null ? value : value + V.Load(epilogue.Residual + offset);
                        value = epilogue.Relu ? V.Max(V.Zero, value) : value;
                        value.Store(epilogue.Y + offset);
                    }
                }
            }
        }
    }
}
