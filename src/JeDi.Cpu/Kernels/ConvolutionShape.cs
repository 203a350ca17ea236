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
}
