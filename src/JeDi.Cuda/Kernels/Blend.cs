using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/blend.cu</c>.</summary>
struct BlendArgs
{
    public nint Y;
    public nint Mask;
    public nint A;
    public nint B;
    public uint Count;
    public uint Channels;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel blend = new("blend", "blend");

    public override void Blend(Tensor y, Tensor mask, Tensor a, Tensor b)
    {
        if (y.Count == 0)
        {
            return;
        }

        var args = new BlendArgs
        {
            Y = y.Address,
            Mask = mask.Address,
            A = a.Address,
            B = b.Address,
            Count = (uint)y.Count,
            Channels = (uint)a.Shape[-1],
        };
        Launch(new Variant(blend, DType.F32), args, Vectors.Blocks(y.Count), 256);
    }
}
