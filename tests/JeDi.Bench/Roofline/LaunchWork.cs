using JeDi.Cuda.Compiling;
using JeDi.Cuda.Planning;
using JeDi.Tensors;

namespace JeDi.Bench.Roofline;

/// <summary>What all blocks of a launch do together, from its shapes: padding of tiles included, for it takes the same time.</summary>
/// <param name="TensorFlop">Of tensor cores.</param>
/// <param name="Special">Exponentials, reciprocals and roots.</param>
/// <param name="Instructions">Of warps.</param>
/// <param name="SharedBytes">That ldmatrix reads.</param>
/// <param name="MemoryBytes">Each operand and result once.</param>
readonly record struct LaunchWork(
    double TensorFlop, double Special, double Instructions, double SharedBytes, double MemoryBytes)
{
    /// <summary>FLOP of one m16n8k16.</summary>
    const double Mma = 2 * 16 * 8 * 16;

    /// <summary>Issued instructions for each mma, as CountTests has them, without integers that ptxas folds.</summary>
    const double PerConvolutionMma = 2.0;
    const double PerProductMma = 1.9;

    /// <summary>
    /// Beside the products of a warp's 32 x 32 scores at any width: scaling, exponential, sum, half a conversion for each of a lane's 32
    /// scores, the maxima of its sums.
    /// </summary>
    const double PerScoreTile = 32 * 3.5 + 16;

    /// <summary>Element-wise work, in instructions of a thread for each element.</summary>
    const double PerElement = 2;
    const double PerNormElement = 12;

    public static LaunchWork Of(PlannedLaunch launch)
    {
        OpCall call = launch.Call!;
        int size = call.Type.Size();
        double result = call.Result.Count * size;
        double input = call.Input.Count * size;
        double weight = call.Weight.Count > 1 ? call.Weight.Count * size : 0;
        double rest = call.Residual ? result : 0;
        Variant v = launch.Variant;
        switch (v.Kernel.Entry)
        {
            case "gemm":
                {
                    double depth = 64.0 * CudaPieces(CudaPieces(call.Weight[1], 64), launch.Grid.Z);
                    double flop = 2.0 * launch.Blocks * v.C * v.D * depth;
                    double shared = flop / Mma * 32 * 16 * (1.0 / v.F + 1.0 / v.E) * 8;
                    double gates = call.Activation == Activation.None ? 0 : call.Result.Count;
                    return new(flop, gates, flop / Mma * PerProductMma + gates, shared, input + weight + result + rest);
                }
            case "conv2d":
                {
                    int slab = 128 / size;
                    bool gather = v.F == 2;
                    int taps = call.Weight[1] * call.Weight[2];
                    int slabs = gather ? CudaPieces(taps * call.Weight[3], slab) : taps * CudaPieces(call.Weight[3], slab);
                    double flop = 2.0 * launch.Blocks * v.A * v.B * slab * CudaPieces(slabs, launch.Grid.Y);
                    double warpRows = (double)v.A / (v.C / 10);
                    double warpColumns = (double)v.B / (v.C % 10);
                    double shared = flop / Mma * 32 * 16 * (1 / warpRows + 1 / warpColumns) * 8;
                    return new(flop, 0, flop / Mma * PerConvolutionMma, shared, input + weight + result + rest);
                }
            case "attention" or "attention_wide" or "attention_plain":
                {
                    int width = call.Input[2] / call.Heads;
                    double queries = (double)launch.Grid.X * launch.Threads / 32 * (v.Kernel.Entry == "attention" ? v.B : 8);
                    double scores = queries * call.Keys * call.Heads * call.Input[0];

                    // A k8 step takes two thirds of a k16 one.
                    double padded = width / 16 * 16 + (width % 16 > 0 ? 11 : 0);
                    double flop = 2 * scores * (padded + width);
                    double tiles = scores / (32 * 32);
                    return new(
                        flop, scores, flop / Mma * 1.25 + tiles * PerScoreTile, tiles * 2 * 32 * width * 2,
                        2.0 * input + 2.0 * call.KeyRows * call.Input[2] * size);
                }
            case "gemm_reduce" or "conv2d_join":
                return new(0, 0, call.Result.Count / 32.0 * 4 * PerElement, 0, result * 3 + rest);
            case "group_norm" or "group_norm_apply":
                return new(0, 2.0 * call.Result.Count, call.Result.Count / 32.0 * PerNormElement, 0, input + result);
            case "group_norm_moments":
                return new(0, 0, call.Input.Count / 32.0 * PerNormElement, 0, input);
            case "layer_norm":
                return new(0, 0, call.Input.Count / 32.0 * PerNormElement, 0, input + result);
            default:
                return new(0, 0, call.Result.Count / 32.0 * PerElement, 0, input + weight + result + rest);
        }
    }

    static int CudaPieces(int whole, int piece) => (whole + piece - 1) / piece;
}
