using System.Runtime.CompilerServices;
using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/combine.cu</c>.</summary>
struct CombineArgs
{
    public nint Y;
    public nint C;
    public CombineTerms X;
    public uint Count;
    public int Terms;
}

/// <summary>Addresses of the terms.</summary>
[InlineArray(Most)]
struct CombineTerms
{
    public const int Most = 32;
    nint first;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel combine = new("combine", "combine", "VECTOR");

    public override void Combine(Tensor y, Tensor c, ReadOnlySpan<Tensor> x)
    {
        if (y.Count == 0)
        {
            return;
        }

        if (x.Length > CombineTerms.Most)
        {
            throw new CudaException($"a sum of {x.Length} tensors; the kernel takes {CombineTerms.Most}");
        }

        var args = new CombineArgs { Y = y.Address, C = c.Address, Terms = x.Length };
        nint addresses = y.Address;
        for (int i = 0; i < x.Length; i++)
        {
            args.X[i] = x[i].Address;
            addresses |= x[i].Address;
        }

        int width = Vectors.Width(DType.F32, y.Count, addresses);
        args.Count = (uint)(y.Count / width);
        Launch(new Variant(combine, DType.F32, width), args, Vectors.Blocks(y.Count / width), 256);
    }
}
