using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/rescale.cu</c>.</summary>
struct RescaleArgs
{
    public nint Y;
    public nint Guided;
    public nint Conditional;
    public nint Amount;
    public int Count;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel rescale = new("rescale", "rescale");

    public override void Rescale(Tensor y, Tensor guided, Tensor conditional, Tensor amount)
    {
        if (y.Count == 0)
        {
            return;
        }

        int images = y.Shape[0];
        var args = new RescaleArgs
        {
            Y = y.Address,
            Guided = guided.Address,
            Conditional = conditional.Address,
            Amount = amount.Address,
            Count = (int)(y.Count / images),
        };
        Launch(new Variant(rescale, DType.F32), args, new Grid(images), 512);
    }
}
