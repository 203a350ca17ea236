using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Operations whose kernels are not here yet. Whoever lands one takes its line away.</summary>
sealed unsafe partial class CudaKernels
{
    public override void Gemm(Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation,
        Tensor preActivation) => Absent("gemm");

    public override void Attention(Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal,
        Tensor logSumExp) =>
        Absent("attention");

    public override void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias) => Absent("attention_map");

    static void Absent(string kernel) => throw new CudaException($"there is no {kernel} kernel yet");
}
