using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/conv2d.cu</c>.</summary>
struct Conv2dArgs
{
    public nint Y;
    public nint X;
    public nint W;
    public nint Bias;
    public nint RowBias;
    public nint Residual;
    public nint Partial;
    public int Pixels;
    public int Height;
    public int Width;
    public int Inputs;
    public int OutputHeight;
    public int OutputWidth;
    public int Outputs;
    public int Kernel;
    public int Stride;
    public int Border;
    public int Upsample;
    public int Slabs;
    public int Splits;
    public int F32Result;
    public int Relu;
}

/// <summary>How <c>kernels/conv2d.cu</c> reads: MODE of its source.</summary>
enum ConvolutionMode
{
    /// <summary>Columns divide the outputs, slabs the inputs.</summary>
    Whole,

    /// <summary>Neither need be so.</summary>
    Edges,

    /// <summary>Any number of inputs, element by element.</summary>
    Gather,
}

sealed unsafe partial class CudaKernels
{
    const int ConvolutionMostSize = 16384;
    const int JoinThreads = 256;
    static readonly string[] convolutionNumbers = ["ROWS", "COLUMNS", "WARPS", "SLICES", "STAGES", "MODE"];
    static readonly Kernel conv2d = new("conv2d", "conv2d", convolutionNumbers);
    static readonly Kernel conv2dJoin = new("conv2d", "conv2d_join", convolutionNumbers);

    public override void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, bool relu)
    {
        if (y.Count == 0)
        {
            return;
        }

        if (y.Shape[1] >= ConvolutionMostSize || y.Shape[2] >= ConvolutionMostSize)
        {
            throw new CudaException($"a convolution to {y.Shape}; the kernel's images are below {ConvolutionMostSize} pixels a side");
        }

        int inputs = x.Shape[3];
        int outputs = w.Shape[0];
        int kernel = w.Shape[1];
        int elements = Vectors.Width(x.DType, inputs);
        bool gather = elements * x.DType.Size() < 16;
        int slab = ConvolutionTile.SlabBytes / x.DType.Size();
        int slabs = gather ? Pieces(kernel * kernel * inputs, slab) : kernel * kernel * Pieces(inputs, slab);
        ConvolutionTile tile = ConvolutionTile.For(y.Shape[1] * y.Shape[2], outputs, slabs, x.DType, gather);
        int each = Pieces(slabs, tile.Splits);
        int splits = Pieces(slabs, each);
        var args = new Conv2dArgs
        {
            Y = y.Address,
            X = x.Address,
            W = w.Value.Address,
            Bias = bias.Address,
            RowBias = rowBias.Address,
            Residual = residual.Address,
            Partial = splits > 1 ? Scratch(splits * y.Count * sizeof(float)) : 0,
            Pixels = checked((int)y.Shape.RowCount),
            Height = x.Shape[1],
            Width = x.Shape[2],
            Inputs = inputs,
            OutputHeight = y.Shape[1],
            OutputWidth = y.Shape[2],
            Outputs = outputs,
            Kernel = kernel,
            Stride = geometry.Stride,
            Border = geometry.Padding == Padding.Same ? kernel / 2 : 0,
            Upsample = geometry.Upsample ? 1 : 0,
            Slabs = each,
            Splits = splits,
            F32Result = y.DType == DType.F32 ? 1 : 0,
            Relu = relu ? 1 : 0,
        };
        int stages = gather ? 2 : tile.Stages(gpu.SharedBytesPerBlock);
        ConvolutionMode mode = gather
            ? ConvolutionMode.Gather
            : outputs % tile.Columns == 0 && inputs % slab == 0 ? ConvolutionMode.Whole : ConvolutionMode.Edges;
        var variant = new Variant(conv2d, x.DType, tile.Rows, tile.Columns, tile.Warps, tile.Slices, stages, (int)mode);
        var grid = new Grid(checked(Pieces(args.Pixels, tile.Rows) * Pieces(outputs, tile.Columns)), splits);
        Launch(variant, args, grid, tile.Threads, tile.SharedBytes(stages));
        if (splits > 1)
        {
            int together = outputs % (16 / x.DType.Size()) == 0 ? 16 / x.DType.Size() : 1;
            Launch(variant with { Kernel = conv2dJoin }, args, Vectors.Blocks(y.Count / together, JoinThreads), JoinThreads);
        }
    }
}
