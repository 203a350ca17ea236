using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/timestep_embedding.cu</c>.</summary>
struct TimestepEmbeddingArgs
{
    public nint Y;
    public nint T;
    public int Count;
    public int Half;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel timestepEmbedding = new("timestep_embedding", "timestep_embedding");

    public override void TimestepEmbedding(Tensor y, Tensor t)
    {
        if (y.Count == 0)
        {
            return;
        }

        int half = y.Shape[-1] / 2;
        var args = new TimestepEmbeddingArgs { Y = y.Address, T = t.Address, Count = (int)t.Count, Half = half };
        Launch(new Variant(timestepEmbedding, y.DType), args, Vectors.Blocks(t.Count * half, 128), 128);
    }
}
