using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>Sizes of a convolution x [Images, Height, Width, I] with a filter [O, Kernel, Kernel, I].</summary>
readonly record struct ConvolutionShape(int Images, int Height, int Width, int I, int O, int Kernel, ConvGeometry Geometry)
{
    /// <param name="filter">[O, kernel, kernel, I].</param>
    /// <param name="input">[Images, Height, Width, I].</param>
    public static ConvolutionShape Of(Shape filter, Shape input, ConvGeometry geometry) =>
        new(input[0], input[1], input[2], input[3], filter[0], filter[1], geometry);

    public int OutputHeight => Geometry.OutputSize(Height, Kernel);

    public int OutputWidth => Geometry.OutputSize(Width, Kernel);

    /// <summary>Zeros left of and above the image.</summary>
    public int Border => Geometry.Padding == Padding.Same ? Kernel / 2 : 0;

    /// <summary>Every output pixel reads one input pixel: a matrix product.</summary>
    public bool IsPointwise => Kernel == 1 && Geometry is { Stride: 1, Upsample: false, Padding: not Padding.RightBottom };

    /// <summary>Whether Winograd's algorithm can compute it, with whole registers at every level, and might pay.</summary>
    public bool SuitsWinograd
    {
        get
        {
            const int MinChannels = 32;
            const int ChannelMultiple = 16;
            return Kernel == 3 && Geometry is { Stride: 1, Padding: Padding.Same }
                && I % ChannelMultiple == 0 && O % ChannelMultiple == 0 && Math.Min(I, O) >= MinChannels;
        }
    }

    /// <summary>Outputs per side of the Winograd tile for such an image; 0: direct. The batch has no say.</summary>
    public int WinogradTile
    {
        get
        {
            const int MinPixels = 64;
            const int ManyPixels = 256;
            int pixels = OutputHeight * OutputWidth;
            return pixels < MinPixels || !SuitsWinograd ? 0 : pixels >= ManyPixels ? 4 : 2;
        }
    }
}
