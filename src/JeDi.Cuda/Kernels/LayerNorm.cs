using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/layer_norm.cu</c>.</summary>
struct LayerNormArgs
{
    public nint Y;
    public nint X;
    public nint Scale;
    public nint Shift;
    public nint Statistics;
    public int Rows;
    public int Width;
    public int F32Result;
    public float Eps;
}

sealed unsafe partial class CudaKernels
{
    const int LayerNormThreads = 128;
    const int LayerNormMostSteps = 6;
    static readonly Kernel layerNorm = new("layer_norm", "layer_norm", "VECTOR", "LANES", "STEPS");

    public override void LayerNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, float eps, Tensor statistics)
    {
        if (y.Count == 0)
        {
            return;
        }

        int width = x.Shape[-1];
        int vector = Vectors.Width(x.DType, width);
        int parts = width / vector;

        // The fewest lanes that hold a row in their registers, so that the most of them work.
        int lanes = 8;
        while (lanes < 32 && parts > lanes * LayerNormMostSteps)
        {
            lanes *= 2;
        }

        int steps = parts > lanes * LayerNormMostSteps ? 0 : (parts + lanes - 1) / lanes;
        var args = new LayerNormArgs
        {
            Y = y.Address,
            X = x.Address,
            Scale = scale.Address,
            Shift = shift.Address,
            Statistics = statistics.Address,
            Rows = checked((int)x.Shape.RowCount),
            Width = width,
            F32Result = y.DType == DType.F32 ? 1 : 0,
            Eps = eps,
        };
        int rowsPerBlock = LayerNormThreads / lanes;
        var grid = new Grid((args.Rows + rowsPerBlock - 1) / rowsPerBlock);
        Launch(new Variant(layerNorm, x.DType, vector, lanes, steps), args, grid, LayerNormThreads);
    }
}
