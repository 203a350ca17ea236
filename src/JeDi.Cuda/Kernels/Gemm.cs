using System.Runtime.InteropServices;
using JeDi.Cuda.Compiling;
using JeDi.Cuda.Products;
using JeDi.Tensors;

namespace JeDi.Cuda;

sealed unsafe partial class CudaKernels
{
    static readonly Kernel gemm = new("gemm", "gemm", GemmTile.Numbers);
    static readonly Kernel gemmReduce = new("gemm", "gemm_reduce", GemmTile.Numbers);
    static readonly Kernel gemmRows = new("gemm_rows", "gemm_rows", "OUTPUT_F32", "ACTIVATION", "COLUMNS", "ALIGNED");
    static readonly Kernel gemmF32 = new("gemm_f32", "gemm_f32", "OUTPUT_F32", "ACTIVATION");

    public override void Gemm(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation, Tensor preActivation = default)
    {
        if (y.Count == 0)
        {
            return;
        }

        int rows = checked((int)(x.Count / x.Shape[-1]));
        var args = new GemmArgs
        {
            Y = y.Address,
            X = x.Address,
            W = w.Value.Address,
            Bias = bias.Address,
            Residual = residual.Address,
            PreActivation = preActivation.Address,
            Rows = rows,
            Columns = y.Shape[-1],
            Depth = x.Shape[-1],
            Splits = 1,
        };
        int output = y.DType == DType.F32 ? 1 : 0;
        int width = w.Shape[0];
        int rowsOfOne = rows / x.Shape[0];
        if (rowsOfOne <= GemmTile.FewRows)
        {
            const int Warps = 8;
            const int Columns = 2;
            const int Rows = 8;
            int aligned = args.Depth * x.DType.Size() % 16 == 0 ? 1 : 0;
            Launch(
                new Variant(gemmRows, x.DType, output, (int)activation, Columns, aligned),
                args,
                new Grid(Pieces(args.Columns, Warps * Columns), Pieces(rows, Rows)),
                32 * Warps);
        }
        else if (x.DType == DType.F32)
        {
            const int Tile = 64;
            Launch(
                new Variant(gemmF32, DType.F32, 1, (int)activation), args, new Grid(Pieces(width, Tile), Pieces(rows, Tile)), threads: 256);
        }
        else if (!ByLibrary(args, x.DType, rowsOfOne, bias, activation, plain: y.DType == x.DType && !preActivation.Exists))
        {
            Tiled(args, x.DType, output, activation, width, GemmTile.Choose(rowsOfOne, width, args.Depth, gpu.SharedBytesPerBlock));
        }
    }

    /// <summary>A plain product through cuBLASLt, where that is the choice for one image's shape.</summary>
    bool ByLibrary(in GemmArgs args, DType type, int rowsOfOne, Tensor bias, Activation activation, bool plain)
    {
        if (activation != Activation.None || !plain || OwnProducts)
        {
            return false;
        }

        var product = new Product(args.Rows, rowsOfOne, args.Columns, args.Depth, type, bias.Exists, args.Residual != 0);
        return ProductChoice.ByLibrary(product, gpu.Architecture)
            && queue.Multiply(product, new Operands(args.Y, args.X, args.W, 0, args.Residual), bias, convert);
    }

    void Tiled(GemmArgs args, DType type, int output, Activation activation, int width, GemmTile tile)
    {
        if (tile.Splits > 1)
        {
            args.Splits = tile.Splits;
            args.Partial = Scratch(sizeof(float) * (long)tile.Splits * args.Rows * width);
        }

        int aligned = args.Depth % 8 == 0 ? 1 : 0;
        Variant variant = new(
            gemm, type, output, (int)activation, tile.Rows, tile.Columns, tile.WarpRows, tile.WarpColumns, tile.Stages, aligned);
        Launch(
            variant,
            args,
            new Grid(Pieces(width, tile.Columns), Pieces(args.Rows, tile.Rows), tile.Splits),
            tile.Threads,
            tile.SharedBytes);
        if (tile.Splits > 1)
        {
            const int Threads = 256;
            Launch(variant with { Kernel = gemmReduce }, args, new Grid(Pieces(args.Columns, Threads), args.Rows), Threads);
        }
    }
}

/// <summary>Arguments of the kernels of products, as in <c>kernels/lib/gemm.cuh</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
struct GemmArgs
{
    public nint Y;
    public nint X;
    public nint W;
    public nint Bias;
    public nint Residual;
    public nint PreActivation;
    public nint Partial;
    public int Rows;
    public int Columns;
    public int Depth;
    public int Splits;
}
