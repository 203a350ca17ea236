using System.Globalization;

namespace JeDi.Bench.Training;

/// <summary>
/// Backward kernels beside PyTorch's autograd, in turn: one row an operation and shape; one thread is measured in processor time.
/// </summary>
static class TrainCommand
{
    public static int Run(string[] options)
    {
        string? json = Options.Value(options, "--json");
        string? only = Options.Value(options, "--op");
        string? onlyShape = Options.Value(options, "--shape");
        string? of = Options.Value(options, "--of");
        double seconds = double.Parse(Options.Value(options, "--seconds") ?? "0.5", CultureInfo.InvariantCulture);
        int threads = Options.Int(options, "--threads", 2);
        using var ours = new OursBackward(threads, Options.Value(options, "--winograd") != "off");
        using var torch = new TorchBackward(threads);
        Console.WriteLine(ours.Name);
        var rows = new List<Row>();
        Compare("gemm", TrainShapes.Products, ours.Gemm, torch.Gemm);
        Compare(
            "conv2d",
            of == "data" ? [.. TrainShapes.Convolutions.Where(shape => !shape.IsFirst)] : TrainShapes.Convolutions,
            shape => ours.Conv2d(shape, of != "weight", of != "data"),
            shape => torch.Conv2d(shape, of != "weight", of != "data"));
        Compare("attention", TrainShapes.Attention, ours.Attention, torch.Attention);
        Compare("group_norm_silu", TrainShapes.Norms, ours.GroupNorm, torch.GroupNorm);
        Compare("layer_norm", TrainShapes.Norms, ours.LayerNorm, torch.LayerNorm);
        Compare("geglu", TrainShapes.Norms, ours.Geglu, torch.Geglu);
        if (json is not null)
        {
            Row.Save(json, rows);
        }

        return 0;

        void Compare<S>(string op, S[] shapes, Func<S, Action> mine, Func<S, Action> theirs) where S : notnull
        {
            foreach (S shape in shapes.Where(shape => (only is null || only == op) && (onlyShape is null || shape.ToString() == onlyShape)))
            {
                Action[] contenders = [mine(shape), theirs(shape)];
                double[] times = threads == 1
                    ? Stopwatches.LeastProcessorTime(seconds, contenders)
                    : Stopwatches.Least(seconds, contenders);
                var row = new Row($"{op} backward", shape.ToString()!, threads, times[0], "PyTorch", times[1], times[1] / times[0]);
                rows.Add(row);
                Console.WriteLine($"{op,-16}{row.Shape,-40}{times[0],9:F3} ms  PyTorch {times[1],9:F3} ms  x{row.Ratio:F2}");
                ours.Clear();
                torch.Clear();
            }
        }
    }
}
