using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/concat.cu</c>.</summary>
struct ConcatArgs
{
    public nint Y;
    public nint A;
    public nint B;
    public uint Rows;
    public uint Left;
    public uint Right;
    public uint LeftPitch;
    public uint RightPitch;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel concat = new("concat", "concat", "VECTOR");

    public override void Concat(Tensor y, Tensor a, Tensor b)
    {
        if (y.Count == 0)
        {
            return;
        }

        nint addresses = y.Address | a.Address | b.Address;
        int width = Math.Min(Vectors.Width(y.DType, a.Shape[-1], addresses), Vectors.Width(y.DType, b.Shape[-1], addresses));
        uint left = (uint)(a.Shape[-1] / width);
        uint right = (uint)(b.Shape[-1] / width);
        var args = new ConcatArgs
        {
            Y = y.Address,
            A = a.Address,
            B = b.Address,
            Rows = (uint)y.Shape.RowCount,
            Left = left,
            Right = right,
            LeftPitch = a.Shape.RowCount == 1 ? 0 : left,
            RightPitch = b.Shape.RowCount == 1 ? 0 : right,
        };
        Launch(new Variant(concat, y.DType, width), args, Vectors.Blocks(y.Count / width), 256);
    }
}
