using System.Diagnostics;
using System.Text.Json.Nodes;
using JeDi.Cuda;
using JeDi.Cuda.Planning;
using JeDi.Files.Random;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;
using JeDi.Tensors.Decorators;

namespace JeDi.Cli;

/// <summary>Times the parts of a request on a model: each the least of as many runs as fit into a budget, the first not counted.</summary>
public sealed class ModelBench : IDisposable
{
    /// <summary>Name of the list of kernels in the figures.</summary>
    public const string Profile = "kernels";

    const int LeastRuns = 2;

    readonly Checkpoint checkpoint;
    readonly Device device;
    readonly TimeSpan budget;
    readonly Precision? precision;
    readonly CancellationToken stop;
    readonly SessionRun run;
    readonly double loadSeconds;
    readonly TimedKernels kernels;
    readonly Arena arena;
    readonly JointPipeline pipeline;

    /// <param name="checkpoint">Model.</param>
    /// <param name="device">Where it is computed.</param>
    /// <param name="shape">References, size, guidance and steps of the request; one target.</param>
    /// <param name="budget">Time for each figure.</param>
    /// <param name="precision">Element types of the computation; null: F32.</param>
    /// <param name="stop">Ends the measurement between two runs.</param>
    public ModelBench(
        Checkpoint checkpoint, Device device, SessionShape shape, TimeSpan budget, Precision? precision, CancellationToken stop)
    {
        this.precision = precision;
        this.checkpoint = checkpoint;
        this.device = device;
        this.budget = budget;
        this.stop = stop;
        run = SessionRun.Resolve(shape, checkpoint, EngineDefaults.Of(checkpoint), new NoiseSchedule(checkpoint.Schedule));
        long begun = Stopwatch.GetTimestamp();
        Networks networks = Networks.Load(device, checkpoint, precision: precision);
        device.Synchronize();
        loadSeconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        kernels = new TimedKernels(device.Kernels, device);
        arena = new Arena(device);
        Kernels watched = device is CudaDevice cuda ? new DescribedKernels(device.Kernels, cuda.Notes) : kernels;
        pipeline = new JointPipeline(networks, arena, run.Joint, run.Plan, run.Tiling, watched);
    }

    /// <summary>Figures by name, and the kernels of a step.</summary>
    public JsonObject Measure()
    {
        JointShape shape = run.Joint;
        var picture = new float[3L * run.Width * run.Height];
        var ids = new int[checkpoint.Text.Positions];
        double text = Least(() => pipeline.EncodeTexts(ids));
        double encode = shape.References == 0 ? 0 : Least(() => pipeline.EncodeImage(picture));
        pipeline.Start(Inputs(ids, picture));
        (double step, JsonArray profile, double inKernels) = Step();
        double decode = Least(() => pipeline.DecodeImage(pipeline.Latents()));
        double request = Least(() => Request(ids, picture));
        return new JsonObject
        {
            ["model"] = checkpoint.Origin,
            ["device"] = device.Name,
            ["size"] = $"{run.Width} x {run.Height}",
            ["references"] = shape.References,
            ["guidance"] = Guidance.NameOf(shape.Guidance),
            ["load_seconds"] = Rounded(loadSeconds),
            ["text_seconds"] = Rounded(text),
            ["encode_seconds"] = Rounded(encode),
            ["step_seconds"] = Rounded(step),
            ["step_over_kernels"] = Rounded(step / inKernels),
            ["decode_seconds"] = Rounded(decode),
            ["request_evaluations"] = run.Plan.Rows.Count,
            ["request_seconds"] = Rounded(request),
            ["weight_bytes"] = WeightBytes(),
            ["prepared_bytes"] = device.PreparedBytes,
            ["arena_bytes"] = arena.Peak,
            ["peak_process_bytes"] = PeakProcessBytes(),
            [Profile] = profile,
        };
    }

    public void Dispose() => pipeline.Dispose();

    /// <summary>
    /// Least seconds of a step, and the kernels of that very run; on a GPU, whose steps are replayed, each kind of operation in a graph of
    /// its own.
    /// </summary>
    (double Seconds, JsonArray Kernels, double InKernels) Step()
    {
        if (device is CudaDevice gpu)
        {
            return Step(gpu);
        }

        double least = double.MaxValue;
        double inKernels = 0;
        JsonArray profile = [];
        Least(() =>
        {
            kernels.Clear();
            long begun = Stopwatch.GetTimestamp();
            pipeline.StepPlainly();
            device.Synchronize();
            double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            if (seconds < least)
            {
                least = seconds;
                inKernels = kernels.Seconds;
                profile = [.. kernels.Times.Select(row => (JsonNode)new JsonObject
                {
                    ["op"] = row.Op,
                    ["input"] = row.Input.ToString(),
                    ["result"] = row.Result.ToString(),
                    ["calls"] = row.Calls,
                    ["ms"] = Rounded(row.Seconds * 1000),
                    ["percent"] = Math.Round(100 * row.Seconds / seconds, 1),
                })];
            }
        });
        return (least, profile, inKernels);
    }

    (double Seconds, JsonArray Kernels, double InKernels) Step(CudaDevice gpu)
    {
        pipeline.Step();
        double seconds = Least(() =>
        {
            pipeline.Step();
            device.Synchronize();
        });
        IReadOnlyList<KernelTimes> times = KernelTimes.Of(gpu, pipeline.StepPlainly);
        JsonArray profile =
        [
            .. times.Select(row => (JsonNode)new JsonObject
            {
                ["op"] = row.Call.Op,
                ["input"] = row.Call.Input.ToString(),
                ["result"] = row.Call.Result.ToString(),
                ["weight"] = row.Call.Weight.ToString(),
                ["detail"] = row.Call.Detail,
                ["key_rows"] = row.Call.KeyRows,
                ["type"] = row.Call.Type.ToString(),
                ["calls"] = row.Calls,
                ["launches"] = row.Launches,
                ["ms"] = Rounded(row.Seconds * 1000),
                ["percent"] = Math.Round(100 * row.Seconds / seconds, 1),
            }),
        ];
        return (seconds, profile, times.Sum(row => row.Seconds));
    }

    /// <summary>Everything that a request does but reading and writing files.</summary>
    void Request(int[] ids, float[] picture)
    {
        pipeline.Start(Inputs(ids, picture));
        for (int evaluation = 0; evaluation < pipeline.Evaluations; evaluation++)
        {
            stop.ThrowIfCancellationRequested();
            pipeline.Step();
        }

        pipeline.DecodeImage(pipeline.Latents());
    }

    JointInputs Inputs(int[] ids, float[] picture)
    {
        JointShape shape = run.Joint;
        JointNoise noise = JointNoise.Draw(shape, run.Plan, checkpoint.UNet.OutChannels, 0, seed => new TorchCpuRandom(seed));
        float[] text = pipeline.EncodeTexts(ids);
        float[] latent = shape.References == 0 ? [] : pipeline.EncodeImage(picture);
        return new JointInputs
        {
            InitialNoise = noise.Initial,
            ReferenceNoise = noise.Reference,
            StepNoise = noise.Step,
            Texts = [.. shape.Texts(checkpoint.UNet).SelectMany(_ => text)],
            References = [.. Enumerable.Repeat(latent, shape.References).SelectMany(values => values)],
        };
    }

    double Least(Action action)
    {
        action();
        double least = double.MaxValue;
        long begun = Stopwatch.GetTimestamp();
        for (int i = 0; i < LeastRuns || Stopwatch.GetElapsedTime(begun) < budget; i++)
        {
            stop.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            action();
            least = Math.Min(least, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return least;
    }

    long WeightBytes()
    {
        using var loader = new NetworkLoader(device, checkpoint, precision: precision);
        return loader.WeightBytes;
    }

    /// <summary>The most memory that the process ever had, as the system counts it.</summary>
    static long PeakProcessBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    static double Rounded(double value) => Math.Round(value, 5);
}
