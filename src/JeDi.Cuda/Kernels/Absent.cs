using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Operations whose kernels are not here yet. Whoever lands one takes its line away.</summary>
sealed unsafe partial class CudaKernels
{
    public override void Gemm(Tensor y, Tensor x, Parameter w, Tensor bias, Tensor residual, Activation activation,
        Tensor preActivation) => Absent("gemm");

    public override void Conv2d(Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry) =>
        Absent("conv2d");

    public override void GroupNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu,
        Tensor statistics) =>
        Absent("group_norm");

    public override void LayerNorm(Tensor y, Tensor x, Tensor scale, Tensor shift, float eps, Tensor statistics) =>
        Absent("layer_norm");

    public override void Attention(Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal,
        Tensor logSumExp) =>
        Absent("attention");

    public override void AttentionMap(Tensor map, Tensor q, Tensor k, int heads, Tensor bias) => Absent("attention_map");

    public override void Add(Tensor y, Tensor a, Tensor b) => Absent("add");

    public override void Concat(Tensor y, Tensor a, Tensor b) => Absent("concat");

    public override void Embed(Tensor y, Tensor table, Tensor ids) => Absent("embed");

    public override void TimestepEmbedding(Tensor y, Tensor t) => Absent("timestep_embedding");

    public override void Combine(Tensor y, Tensor c, ReadOnlySpan<Tensor> x) => Absent("combine");

    public override void PackInput(Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout) =>
        Absent("pack_input");

    public override void Rescale(Tensor y, Tensor guided, Tensor conditional, Tensor amount) => Absent("rescale");

    public override void Blend(Tensor y, Tensor mask, Tensor a, Tensor b) => Absent("blend");

    public override void Copy(Tensor y, Tensor x) => Absent("copy");

    static void Absent(string kernel) => throw new CudaException($"there is no {kernel} kernel yet");
}
