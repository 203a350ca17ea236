using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/copy.cu</c>.</summary>
struct CopyArgs
{
    public nint Y;
    public nint X;
    public uint Count;
    public float Limit;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel copy = new("copy", "copy", "FROM", "VECTOR", "LIMITED");

    public override void Copy(Tensor y, Tensor x, float limit = 0)
    {
        if (y.Count > 0)
        {
            Convert(y.Address, y.DType, x, limit);
        }
    }

    /// <summary>The values of x as another type, to an address; with a limit, limit tanh(x / limit).</summary>
    void Convert(nint y, DType type, Tensor x, float limit = 0)
    {
        // Equal types move as bits, in units of two bytes and more.
        bool bits = type == x.DType && limit == 0;
        DType to = bits ? DType.F16 : type;
        DType from = bits ? DType.F16 : x.DType;
        long count = bits ? x.Bytes / to.Size() : x.Count;
        nint addresses = y | x.Address;
        int width = Math.Min(Vectors.Width(to, count, addresses), Vectors.Width(from, count, addresses));
        var args = new CopyArgs { Y = y, X = x.Address, Count = (uint)(count / width), Limit = limit };
        int source = from switch
        {
            DType.F32 => 0,
            DType.F16 => 1,
            DType.BF16 => 2,
            _ => throw new CudaException($"there is no conversion from {from} to {to}"),
        };
        Launch(new Variant(copy, to, source, width, limit == 0 ? 0 : 1), args, Vectors.Blocks(count / width), 256);
    }
}
