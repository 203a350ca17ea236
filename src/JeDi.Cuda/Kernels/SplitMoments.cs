using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/split_moments.cu</c>.</summary>
struct SplitMomentsArgs
{
    public nint Mean;
    public nint LogVariance;
    public nint Moments;
    public uint Count;
    public uint Channels;
    public float Least;
    public float Most;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel splitMoments = new("split_moments", "split_moments");

    public override void SplitMoments(Tensor mean, Tensor logVariance, Tensor moments)
    {
        if (mean.Count == 0)
        {
            return;
        }

        var args = new SplitMomentsArgs
        {
            Mean = mean.Address,
            LogVariance = logVariance.Address,
            Moments = moments.Address,
            Count = (uint)mean.Count,
            Channels = (uint)mean.Shape[-1],
            Least = LeastLogVariance,
            Most = MostLogVariance,
        };
        Launch(new Variant(splitMoments, DType.F32), args, Vectors.Blocks(mean.Count), 256);
    }
}
