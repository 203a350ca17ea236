using System.Diagnostics;
using JeDi.Cpu;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tensors.Decorators;
using JeDi.Tensors.Planning;

namespace JeDi.Bench;

/// <summary>A whole denoising step of Stable Diffusion 1.4 on recipe weights: seconds, share of its kernels, and memory.</summary>
static class StepCommand
{
    const int Runs = 5;

    /// <summary>
    /// Seconds of a step with guidance at this picture size and set size; the sum of its kernels, taken in the same run; peak bytes.
    /// </summary>
    public static int Run(string[] options)
    {
        int size = Options.Int(options, "--size", 512);
        int images = Options.Int(options, "--images", 1);
        int threads = Options.Int(options, "--threads", 0);
        using Checkpoint checkpoint = Checkpoint.FromRecipe("sd14", 9, DType.F16);
        using var device = new CpuDevice(threads);
        Console.WriteLine(device.Name);
        Networks networks = Networks.Load(device, checkpoint);
        var timed = new TimedKernels(device.Kernels, device);
        var arena = new Arena(device);
        using JointPipeline pipeline = Pipeline(networks, arena, checkpoint, size, images, timed);
        device.Fill(pipeline.State.X, 0);
        foreach (long kept in (long[])[0, (long)Options.Int(options, "--memory", 0) << 20])
        {
            device.KeptFilterBytes = kept;
            pipeline.Step();
        }

        var least = new Dictionary<long, (double Wall, double Processor, double Kernels)>();
        for (int run = 0; run < Runs; run++)
        {
            foreach (long kept in (long[])[0, (long)Options.Int(options, "--memory", 0) << 20])
            {
                device.KeptFilterBytes = kept;
                timed.Clear();
                TimeSpan busy = Environment.CpuUsage.TotalTime;
                long start = Stopwatch.GetTimestamp();
                pipeline.Step();
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                double processor = (Environment.CpuUsage.TotalTime - busy).TotalSeconds;
                (double wall, double before, double kernels) = least.GetValueOrDefault(kept, (double.MaxValue, double.MaxValue, 0));
                least[kept] = (Math.Min(wall, seconds), Math.Min(before, processor), seconds < wall ? timed.Seconds : kernels);
            }
        }

        foreach ((long kept, (double wall, double processor, double kernels)) in least)
        {
            Console.WriteLine($"sd14 {size} x {size}, N = {images}, guidance, {kept >> 20} MB for kept filters: {wall:F2} s a step, "
                + $"{processor:F2} s of processors, {wall / kernels:F3} x the sum of its kernels, "
                + $"{wall / least.Values.Last().Wall:F3} x the last ({processor / least.Values.Last().Processor:F3} x by processors)");
        }

        Console.WriteLine($"arena {arena.Peak >> 20} MB, prepared filters {device.PreparedBytes >> 20} MB");
        return 0;
    }

    /// <summary>Bytes of a run at 512 x 512 for sets of 1 to 4 images, planned: nothing is computed.</summary>
    public static int Memory(string[] options)
    {
        int size = Options.Int(options, "--size", 512);
        using Checkpoint checkpoint = Checkpoint.FromRecipe("sd14", 9, DType.F16);
        using var device = new CpuDevice();
        foreach (int images in (int[])[1, 2, 3, 4])
        {
            using var plan = new PlanDevice(device);
            Networks networks = Networks.Load(plan, checkpoint);
            var arena = new Arena(plan, 1L << 50);
            using (JointPipeline pipeline = Pipeline(networks, arena, checkpoint, size, images, null))
            {
                pipeline.Rehearse();
            }

            Console.WriteLine($"sd14 {size} x {size}, N = {images}, guidance: arena {arena.Peak >> 20} MB, "
                + $"weights {plan.WeightBytes >> 20} MB, prepared filters {plan.PreparedBytes >> 20} MB");
        }

        return 0;
    }

    static JointPipeline Pipeline(Networks networks, Arena arena, Checkpoint checkpoint, int size, int images, Kernels? kernels)
    {
        int latent = size / checkpoint.Vae.Scale;
        var shape = new JointShape(1, images - 1, 1, latent, latent, GuidanceMode.Joint);
        SamplerPlan plan = Sampler.Plan("ddim", new NoiseSchedule(checkpoint.Schedule), 50);
        return new JointPipeline(networks, arena, shape, plan, null, kernels);
    }
}
