using JeDi.Cuda.Planning;
using JeDi.Cuda.Products;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi;

/// <summary>
/// Every kernel launch of a model's parts on a GPU that need not be there, for one target beside references, with joint guidance; of a step
/// without and with a bias on the keys.
/// </summary>
sealed record ModelLaunches(
    IReadOnlyList<PlannedLaunch> Loading, IReadOnlyList<PlannedLaunch> Text, IReadOnlyList<PlannedLaunch> Encoder,
    IReadOnlyList<PlannedLaunch> Step, IReadOnlyList<PlannedLaunch> BiasedStep, IReadOnlyList<PlannedLaunch> Decoder)
{
    /// <summary>What cuBLASLt would compute of these, where it is there.</summary>
    public required IReadOnlyCollection<Product> Products { get; init; }

    public IEnumerable<PlannedLaunch> All => [.. Loading, .. Text, .. Encoder, .. Step, .. BiasedStep, .. Decoder];

    /// <param name="checkpoint">Its weights are not read.</param>
    /// <param name="gpu">Whose launches.</param>
    /// <param name="precision">Element types of the networks.</param>
    /// <param name="images">N: references and the target.</param>
    /// <param name="size">Pixels of a side.</param>
    public static ModelLaunches Of(Checkpoint checkpoint, GpuModel gpu, Precision precision, int images, int size)
    {
        using var plan = new LaunchPlan(gpu);
        Networks networks = null!;
        IReadOnlyList<PlannedLaunch> loading = plan.Of(() => networks = Networks.Load(plan, checkpoint, precision: precision));
        var arena = new Arena(plan, 1L << 40);
        int latent = size / checkpoint.Vae.Scale;
        var shape = new JointShape(1, images - 1, 1, latent, latent, GuidanceMode.Joint) { KeyBias = KeyBiasKind.PerLocation };
        SamplerPlan rows = Sampler.Plan("ddim", new NoiseSchedule(checkpoint.Schedule), 50);
        using var pipeline = new JointPipeline(networks, arena, shape, rows);
        var picture = new float[size * size * 3];
        var latents = new float[latent * latent * checkpoint.Vae.LatentChannels];
        IReadOnlyList<PlannedLaunch> Step(KeyBiasKind bias)
        {
            pipeline.Use(bias, unguided: false);
            return plan.Of(pipeline.StepPlainly);
        }

        return new ModelLaunches(
            loading,
            plan.Of(() => pipeline.EncodeTexts(new int[checkpoint.Text.Positions])),
            plan.Of(() => pipeline.EncodeImage(picture)),
            Step(KeyBiasKind.None),
            Step(KeyBiasKind.PerLocation),
            plan.Of(() => pipeline.DecodeImage(latents)))
        {
            Products = plan.Products,
        };
    }
}
