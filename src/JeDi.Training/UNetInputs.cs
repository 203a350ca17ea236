using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>What changes from step to step, on the device.</summary>
sealed class UNetInputs
{
    readonly Device device;
    readonly NoiseSchedule schedule;
    readonly PredictionType prediction;
    readonly TrainingOptions options;

    /// <param name="ids">The text encoder learns: texts are tokens; else its states.</param>
    public UNetInputs(Ops ops, Checkpoint model, NoiseSchedule schedule, TrainingOptions options, int side, bool ids)
    {
        device = ops.Device;
        this.schedule = schedule;
        this.options = options;
        prediction = model.Schedule.Prediction;
        int images = options.Images;
        Shape latents = [images, side, side, model.UNet.OutChannels];
        Noisy = ops.New(latents);
        Clean = ops.New(latents);
        Goal = ops.New(latents);
        Mask = ops.New([images]);
        Timesteps = ops.New([images]);
        Weights = ops.New([images]);
        One = ops.From<float>([1], [1]);
        Ids = ids ? ops.From<int>([images, model.Text.Positions], new int[images * model.Text.Positions]) : default;
        States = ids ? default : ops.New([images, model.Text.Positions, model.Text.Width]);
        int[] each = [.. Enumerable.Range(0, images)];
        Batch = new JointBatch(ops, [.. each.Select(_ => 1)], each);
    }

    public Tensor Noisy { get; }

    public Tensor Clean { get; }

    /// <summary>What the network is to predict.</summary>
    public Tensor Goal { get; }

    public Tensor Mask { get; }

    public Tensor Timesteps { get; }

    /// <summary>Of each image's squared error.</summary>
    public Tensor Weights { get; }

    public Tensor One { get; }

    public Tensor Ids { get; }

    public Tensor States { get; }

    public JointBatch Batch { get; }

    /// <summary>All but the texts.</summary>
    public void Write(SetBatch batch)
    {
        float[] clean = batch.Clean();
        var noisy = new float[clean.Length];
        var goal = new float[noisy.Length];
        var weights = new float[options.Images];
        int latent = noisy.Length / options.Images;
        for (int image = 0; image < options.Images; image++)
        {
            NoiseLevel level = schedule.LevelAt(batch.Timesteps[image]);
            (float alpha, float sigma) = ((float)level.Alpha, (float)level.Sigma);
            for (int i = image * latent; i < (image + 1) * latent; i++)
            {
                noisy[i] = alpha * clean[i] + sigma * batch.Noise[i];
                goal[i] = prediction switch
                {
                    PredictionType.V => alpha * batch.Noise[i] - sigma * clean[i],
                    PredictionType.Sample => clean[i],
                    _ => batch.Noise[i],
                };
            }

            weights[image] = (float)(batch.Shares[image] * LossWeight(options, prediction, level));
        }

        device.Write<float>(Noisy, noisy);
        device.Write<float>(Clean, clean);
        device.Write<float>(Goal, goal);
        device.Write<float>(Mask, batch.Mask);
        device.Write<float>(Timesteps, [.. batch.Timesteps.Select(t => (float)t)]);
        device.Write<float>(Weights, weights);
        Batch.Regroup(device, batch.Sizes);
    }

    /// <summary>
    /// Of the squared error of what the network predicts; SNR = alpha^2 / sigma^2 (Hang et al. 2023; v: Salimans and Ho, 2022). The
    /// squared errors of epsilon, x0 and v stand as 1 : 1 / SNR : 1 + 1 / SNR.
    /// </summary>
    internal static double LossWeight(TrainingOptions options, PredictionType prediction, NoiseLevel level)
    {
        double snr = level.Alpha * level.Alpha / (level.Sigma * level.Sigma);
        double epsilon = options.LossWeight switch
        {
            "min-snr" => Math.Min(1, options.Bound / snr),
            "v" => Math.Min(1 + 1 / snr, options.Bound),
            _ => 0,
        };
        return options.LossWeight == "none" ? 1 : prediction switch
        {
            PredictionType.V => epsilon / (1 + 1 / snr),
            PredictionType.Sample => epsilon * snr,
            _ => epsilon,
        };
    }
}
