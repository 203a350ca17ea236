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

    /// <summary>z = mean + exp(v / 2) noise of moments [B, H, W, 2C] = [mean, log-variance v]: [B, H, W, C].</summary>
    public Tensor SampleGaussian(Tensor moments, Tensor noise)
    {
        Check(moments.Shape == noise.Shape.WithLast(2 * noise.Shape[-1]), $"moments {moments.Shape}, noise {noise.Shape}");
        Tensor z = New(noise.Shape);
        if (Tape is null)
        {
            Device.Gradients.SampleGaussian(z, moments, noise);
        }
        else
        {
            SampleGaussian(Tape, z, moments, noise);
        }

        return z;
    }

    /// <summary>loss[b] = weight[b] / 2 sum (mean^2 + exp(v) - 1 - v): distance of the latents from unit Gaussian ones, F32 [B].</summary>
    public Tensor Divergence(Tensor moments, Tensor weight)
    {
        Check(weight.Count == moments.Shape[0], $"moments {moments.Shape}, weights {weight.Shape}");
        Tensor loss = New([moments.Shape[0]]);
        if (Tape is null)
        {
            Device.Gradients.Divergence(loss, default, moments, weight, add: false);
        }
        else
        {
            Divergence(Tape, loss, moments, weight);
        }

        return loss;
    }

    static void SquaredError(Tape tape, Tensor loss, Tensor prediction, Tensor target, Tensor weight)
    {
        Tensor dprediction = tape.Take(prediction, out bool add);
        Check(!add, $"a prediction {prediction} has one loss");
        tape.Run(() => tape.Gradients.SquaredError(loss, dprediction, prediction, target, weight));
    }

    static void SampleGaussian(Tape tape, Tensor z, Tensor moments, Tensor noise)
    {
        tape.Run(() => tape.Gradients.SampleGaussian(z, moments, noise));
        if (tape.Tracks(moments))
        {
            tape.Note(z, dz =>
            {
                Tensor dmoments = tape.Take(moments, out bool add);
                tape.Run(() => tape.Gradients.SampleGaussianBackward(dmoments, dz, moments, noise, add));
            });
        }
    }

    static void Divergence(Tape tape, Tensor loss, Tensor moments, Tensor weight)
    {
        Tensor dmoments = tape.Take(moments, out bool add);
        tape.Run(() => tape.Gradients.Divergence(loss, dmoments, moments, weight, add));
    }
}
