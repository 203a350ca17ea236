using JeDi.Models;
using JeDi.Sampling;

namespace JeDi;

/// <summary>What a request gets that says nothing else: the model's own defaults, or those of the engine.</summary>
/// <param name="Width">Pixels of a row.</param>
/// <param name="Height">Rows.</param>
/// <param name="Steps">Sampler steps.</param>
/// <param name="Sampler">Name of the sampler.</param>
/// <param name="Guidance">Guidance mode.</param>
/// <param name="TextScale">Scale of the text.</param>
/// <param name="ImageScale">Scale of the references in the modes of eq. 4.</param>
public sealed record EngineDefaults(
    int Width, int Height, int Steps, string Sampler, GuidanceMode Guidance, double TextScale, double ImageScale)
{
    /// <summary>The defaults of a model.</summary>
    /// <exception cref="JeDiException">It names a sampler or guidance that there is not.</exception>
    public static EngineDefaults Of(Checkpoint checkpoint)
    {
        ModelDefaults model = checkpoint.Defaults;
        int size = checkpoint.UNet.SampleSize * checkpoint.Vae.Scale;
        bool hasReferenceInput = checkpoint.UNet.InputLayout != Tensors.InputLayout.Noisy;
        GuidanceMode guidance = Checked(checkpoint, () => Sampling.Guidance.Parse(model.Guidance ?? "joint"));
        string sampler = model.Sampler ?? checkpoint.Schedule.Sampler ?? "ddim";
        Checked(checkpoint, () => Sampling.Sampler.Plan(sampler, NoiseSchedule.StableDiffusion, 1));
        return new EngineDefaults(
            model.Width ?? size,
            model.Height ?? size,
            model.Steps ?? 50,
            sampler,
            hasReferenceInput ? guidance : GuidanceMode.Joint,
            model.TextScale ?? 7.5,
            model.ImageScale ?? 7.5);
    }

    static T Checked<T>(Checkpoint checkpoint, Func<T> value)
    {
        try
        {
            return value();
        }
        catch (SamplingException wrong)
        {
            throw new JeDiException($"{checkpoint.Origin}: the defaults in model_index.json: {wrong.Message}", wrong);
        }
    }
}
