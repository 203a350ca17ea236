using JeDi.Files.Images;
using JeDi.Models;
using JeDi.Sampling;

namespace JeDi;

/// <summary>A session's shape with the model's defaults filled in and everything checked, in the terms of the sampler.</summary>
sealed record SessionRun(int Width, int Height, JointShape Joint, SamplerPlan Plan, VaeTiling? Tiling)
{
    const int SizeStep = 64;
    const int MostPixels = 8192;
    internal const int MostImages = 1024;
    internal const int MostTextChunks = 64;
    const long PixelsUntiled = 768 * 768;

    /// <summary>The joint run of the request that takes the most memory: photos with masks.</summary>
    public JointShape LargestJoint => Joint with { KeyBias = Joint.References > 0 ? KeyBiasKind.PerLocation : KeyBiasKind.None };

    /// <summary>
    /// Numbers in each array that a session takes in host memory: noise, a picture, and correspondences if they are collected.
    /// </summary>
    public long[] HostFloats(int channels, bool correspondences)
    {
        long latent = (long)Joint.Height * Joint.Width * channels;
        long draws = Plan.Rows.Count(row => row.DrawsNoise);
        long referenceDraws = Joint.FreshReferenceNoise ? Plan.Rows.Count : 1;
        long maps = correspondences ? CorrespondenceCollector.Floats(Joint) : 0;
        return
        [
            Joint.AllTargets * latent,
            draws * Joint.AllTargets * latent,
            referenceDraws * Joint.AllReferences * latent,
            3L * Width * Height,
            maps,
        ];
    }

    /// <summary>A photo at the run's size.</summary>
    public PixelImage Fit(PixelImage image, bool padToFit) => padToFit ? image.Pad(Width, Height) : image.Cover(Width, Height);

    /// <summary>A mask over such a photo.</summary>
    public PixelImage FitMask(PixelImage mask, bool padToFit) => padToFit ? mask.PadMask(Width, Height) : mask.Cover(Width, Height);

    /// <exception cref="ArgumentOutOfRangeException">A size that the model does not have: says the nearest.</exception>
    /// <exception cref="JeDiException">The model's own defaults are impossible.</exception>
    public static SessionRun Resolve(SessionShape shape, Checkpoint checkpoint, EngineDefaults defaults, NoiseSchedule schedule)
    {
        int width = Size(shape.Width, defaults.Width, checkpoint, nameof(shape.Width));
        int height = Size(shape.Height, defaults.Height, checkpoint, nameof(shape.Height));
        int latentWidth = width / checkpoint.Vae.Scale;
        int latentHeight = height / checkpoint.Vae.Scale;
        string sampler = shape.Sampler ?? defaults.Sampler;
        int steps = shape.Steps == 0 ? defaults.Steps : shape.Steps;
        SamplerPlan plan = Sampler.Plan(sampler, schedule, steps, Sampler.FirstEvaluation(sampler, steps, shape.Strength ?? 1));
        var joint = new JointShape(shape.Sets, shape.References, shape.Targets, latentHeight, latentWidth, shape.Guidance
            ?? defaults.Guidance)
        {
            FromImages = shape.Strength is not null,
            FreshReferenceNoise = shape.FreshReferenceNoise,
            Inpaint = shape.Inpaint,
            Rescale = shape.Rescale,
            KeepsDeep = shape.ReuseInterval > 1,
        };
        joint.Conditions(checkpoint.UNet);
        bool tiled = shape.VaeTiling ?? (long)width * height > PixelsUntiled;
        return new SessionRun(width, height, joint, plan, tiled ? VaeTiling.For(checkpoint.Vae) : null);
    }

    static int Size(int wanted, int otherwise, Checkpoint checkpoint, string name)
    {
        int size = wanted == 0 ? otherwise : wanted;
        int step = Math.Max(SizeStep, checkpoint.UNet.SizeMultiple * checkpoint.Vae.Scale);
        if (size % step == 0 && size >= step && size <= MostPixels)
        {
            return size;
        }

        int nearest = Math.Clamp((int)(((long)size + step / 2) / step * step), step, MostPixels);
        string wrong = $"{size} is not a multiple of {step} from {step} to {MostPixels}; the nearest is {nearest}";
        throw wanted == 0
            ? new JeDiException($"{checkpoint.Origin}: the default of SessionShape.{name}, {wrong}")
            : new ArgumentOutOfRangeException(name, wrong);
    }
}
