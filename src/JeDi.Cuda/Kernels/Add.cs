using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/add.cu</c>.</summary>
struct AddArgs
{
    public nint Y;
    public nint A;
    public nint B;
    public uint Count;
    public uint Period;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel add = new("add", "add", "VECTOR");

    public override void Add(Tensor y, Tensor a, Tensor b)
    {
        if (y.Count == 0)
        {
            return;
        }

        int width = Vectors.Width(y.DType, b.Count, y.Address | a.Address | b.Address);
        var args = new AddArgs
        {
            Y = y.Address,
            A = a.Address,
            B = b.Address,
            Count = (uint)(y.Count / width),
            Period = (uint)(b.Count / width),
        };
        Launch(new Variant(add, y.DType, width), args, Vectors.Blocks(y.Count / width), 256);
    }
}
