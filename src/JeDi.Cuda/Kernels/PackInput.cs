using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/pack_input.cu</c>.</summary>
struct PackInputArgs
{
    public nint Y;
    public nint Noisy;
    public nint Clean;
    public nint Mask;
    public nint Scale;
    public uint Count;
    public uint Pixels;
    public uint Channels;
    public int Layout;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel packInput = new("pack_input", "pack_input");

    public override void PackInput(Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout)
    {
        if (y.Count == 0)
        {
            return;
        }

        var args = new PackInputArgs
        {
            Y = y.Address,
            Noisy = noisy.Address,
            Clean = clean.Address,
            Mask = mask.Address,
            Scale = scale.Address,
            Count = (uint)y.Count,
            Pixels = (uint)(noisy.Shape.RowCount / noisy.Shape[0]),
            Channels = (uint)noisy.Shape[-1],
            Layout = layout switch
            {
                InputLayout.Noisy => 0,
                InputLayout.MaskNoisyClean => 1,
                _ => 2,
            },
        };
        Launch(new Variant(packInput, y.DType), args, Vectors.Blocks(y.Count), 256);
    }
}
