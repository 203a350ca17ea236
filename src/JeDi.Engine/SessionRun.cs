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

    /// <summary>Numbers in each array that a request takes in host memory: noise, and correspondences if they are collected.</summary>
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
            maps,
        ];
    }

    /// <exception cref="JeDiException">The shape is impossible: says what to change.</exception>
    public static SessionRun Resolve(SessionShape shape, Checkpoint checkpoint, EngineDefaults defaults, NoiseSchedule schedule)
    {
        int width = Size("width", shape.Width, defaults.Width);
        int height = Size("height", shape.Height, defaults.Height);
        Arguments.Check(shape);
        int latentWidth = width / checkpoint.Vae.Scale;
        int latentHeight = height / checkpoint.Vae.Scale;
        int step = checkpoint.UNet.SizeMultiple * checkpoint.Vae.Scale;
        if (width % step != 0 || height % step != 0)
        {
            throw new JeDiException($"{width} x {height}: this model takes multiples of {step} pixels");
        }

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

    static int Size(string what, int wanted, int otherwise)
    {
        int size = wanted == 0 ? otherwise : wanted;
        if (size % SizeStep != 0 || size is < SizeStep or > MostPixels)
        {
            int nearest = Math.Clamp((size + SizeStep / 2) / SizeStep * SizeStep, SizeStep, MostPixels);
            throw new JeDiException(
                $"{what} {size} is not a multiple of {SizeStep} from {SizeStep} to {MostPixels}; the nearest is {nearest}");
        }

        return size;
    }
}
