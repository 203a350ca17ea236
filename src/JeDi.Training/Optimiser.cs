using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>
/// AdamW (Loshchilov and Hutter, 2019) with clipping by the length of the whole gradient and an exponential average of the values. All of
/// it lies in flat memory beside the parameters.
/// </summary>
public sealed class Optimiser : IDisposable
{
    readonly Device device;
    readonly FlatParameters parameters;
    readonly Arena arena;
    readonly Tensor norm;
    readonly Tensor bound;
    readonly Tensor settings;

    public Optimiser(Device device, FlatParameters parameters)
    {
        this.device = device;
        this.parameters = parameters;
        arena = new Arena(device, BytesFor(parameters.Values.Count));
        First = arena.New(parameters.Values.Shape);
        Second = arena.New(parameters.Values.Shape);
        Average = arena.New(parameters.Values.Shape);
        norm = arena.New([2]);
        bound = arena.New([1]);
        settings = arena.New([8]);
        device.Fill(First, 0);
        device.Fill(Second, 0);
        ResetAverage();
    }

    /// <summary>Running mean of the gradients.</summary>
    public Tensor First { get; }

    /// <summary>Running mean of their squares.</summary>
    public Tensor Second { get; }

    /// <summary>Exponential average of the values.</summary>
    public Tensor Average { get; }

    /// <summary>Bytes beside values and gradients.</summary>
    public static long BytesFor(long count) => 3 * count * sizeof(float) + 4096;

    /// <summary>The average begins at the values.</summary>
    public void ResetAverage() => device.Kernels.Copy(Average, parameters.Values);

    /// <summary>Length of the gradient as it is; what is longer than <paramref name="most"/> will be shortened to it.</summary>
    public float Measure(double most)
    {
        device.Write<float>(bound, [(float)most]);
        device.Gradients.Clip(norm, bound, [parameters.Gradients]);
        Span<float> measured = stackalloc float[2];
        device.Read(measured, norm);
        return measured[0];
    }

    /// <summary>Updates values and average by the gradient that was measured, makes the forms anew, and clears the gradient.</summary>
    /// <param name="update">Number of this update, from 1: the moments begin at zero.</param>
    public void Update(long update, double rate, double beta1, double beta2, double eps, double decay, double ema)
    {
        device.Write<float>(
            settings,
            [
                (float)rate, (float)beta1, (float)beta2, (float)eps, (float)decay,
                (float)(1 - Math.Pow(beta1, update)), (float)(1 - Math.Pow(beta2, update)), (float)ema,
            ]);
        device.Gradients.AdamW(parameters.Values, First, Second, Average, parameters.Gradients, norm, settings);
        device.Fill(parameters.Gradients, 0);
        parameters.Rebuild();
    }

    public void Dispose() => arena.Release();
}
