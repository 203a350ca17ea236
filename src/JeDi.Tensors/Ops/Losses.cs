namespace JeDi.Tensors;

/// <summary>What only training computes. With a tape a loss puts the gradient of its sum where the way back begins.</summary>
public sealed partial class Ops
{
    /// <summary>loss[b] = weight[b] / n sum (prediction - target)^2 over the n values of image b: F32 [B].</summary>
    public Tensor SquaredError(Tensor prediction, Tensor target, Tensor weight)
    {
        int images = prediction.Shape[0];
        Check(target.Shape == prediction.Shape && weight.Count == images,
            $"prediction {prediction.Shape}, target {target.Shape}, weights {weight.Shape}");
        Tensor loss = New([images]);
        if (Tape is null)
        {
            Device.Gradients.SquaredError(loss, default, prediction, target, weight);
        }
        else
        {
            SquaredError(Tape, loss, prediction, target, weight);
        }

        return loss;
    }

    /// <summary>z = mean + exp(v / 2) noise, v the log-variance; all [B, H, W, C].</summary>
    public Tensor SampleGaussian(Tensor mean, Tensor logVariance, Tensor noise)
    {
        Check(mean.Shape == noise.Shape && logVariance.Shape == noise.Shape,
            $"mean {mean.Shape}, log-variance {logVariance.Shape}, noise {noise.Shape}");
        Tensor z = New(noise.Shape);
        if (Tape is null)
        {
            Device.Gradients.SampleGaussian(z, mean, logVariance, noise);
        }
        else
        {
            SampleGaussian(Tape, z, mean, logVariance, noise);
        }

        return z;
    }

    /// <summary>
    /// loss[b] = weight[b] / 2 sum (mean^2 + exp(v) - 1 - v), v the log-variance: distance of latents from unit Gaussian ones, F32 [B].
    /// </summary>
    public Tensor Divergence(Tensor mean, Tensor logVariance, Tensor weight)
    {
        Check(mean.Shape == logVariance.Shape && weight.Count == mean.Shape[0],
            $"mean {mean.Shape}, log-variance {logVariance.Shape}, weights {weight.Shape}");
        Tensor loss = New([mean.Shape[0]]);
        if (Tape is null)
        {
            Device.Gradients.Divergence(loss, default, default, mean, logVariance, weight, add: false);
        }
        else
        {
            Divergence(Tape, loss, mean, logVariance, weight);
        }

        return loss;
    }

    static void SquaredError(Tape tape, Tensor loss, Tensor prediction, Tensor target, Tensor weight)
    {
        Tensor dprediction = tape.Take(prediction, out bool add);
        Check(!add, $"a prediction {prediction} has one loss");
        tape.Run(() => tape.Gradients.SquaredError(loss, dprediction, prediction, target, weight));
    }

    static void SampleGaussian(Tape tape, Tensor z, Tensor mean, Tensor logVariance, Tensor noise)
    {
        tape.Run(() => tape.Gradients.SampleGaussian(z, mean, logVariance, noise));
        if (tape.Tracks(mean) || tape.Tracks(logVariance))
        {
            tape.Note(z, dz =>
            {
                (Tensor dmean, Tensor dlogVariance, _) = tape.Take(mean, logVariance, default, out bool add);
                tape.Run(() => tape.Gradients.SampleGaussianBackward(dmean, dlogVariance, dz, logVariance, noise, add));
            });
        }
    }

    static void Divergence(Tape tape, Tensor loss, Tensor mean, Tensor logVariance, Tensor weight)
    {
        (Tensor dmean, Tensor dlogVariance, _) = tape.Take(mean, logVariance, default, out bool add);
        tape.Run(() => tape.Gradients.Divergence(loss, dmean, dlogVariance, mean, logVariance, weight, add));
    }
}
