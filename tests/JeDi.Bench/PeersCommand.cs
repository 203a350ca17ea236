using System.Globalization;
using JeDi.Bench.Peers;

namespace JeDi.Bench;

/// <summary>Kernels beside the same operation of other libraries: one row per operation, shape, thread count and peer.</summary>
static class PeersCommand
{
    public static int Run(string[] options)
    {
        string? json = Options.Value(options, "--json");
        string? only = Options.Value(options, "--op");
        string? onlyShape = Options.Value(options, "--shape");
        string[]? onlyPeers = Options.Value(options, "--peers")?.Split(',');
        double seconds = double.Parse(Options.Value(options, "--seconds") ?? "1.5", CultureInfo.InvariantCulture);
        int[] threads = [.. (Options.Value(options, "--threads") ?? "1,2").Split(',').Select(text =>
            int.Parse(text, CultureInfo.InvariantCulture))];
        Peer[] peers =
            [new OneDnn(winograd: false), new OneDnn(winograd: true), new OpenBlas(), new OnnxRuntime(), new Torch(), new MemoryCopy()];
        foreach (Peer peer in peers.Where(peer => peer.Missing is not null))
        {
            Console.WriteLine($"missing: {peer.Name}: {peer.Missing}");
        }

        Peer[] present = [.. peers.Where(peer => peer.Missing is null && onlyPeers?.Contains(peer.Name) != false)];
        var rows = new List<Row>();
        foreach (int count in threads)
        {
            using var ours = new Ours(count);
            Console.WriteLine(ours.Name);
            foreach (Peer peer in present)
            {
                peer.UseThreads(count);
            }

            if (only is null or "gemm")
            {
                Compare("gemm", Shapes.Gemm, ours.Gemm, (peer, shape) => peer.Gemm(shape));
            }

            if (only is null or "conv2d")
            {
                Compare("conv2d", Shapes.Conv, ours.Conv2d, (peer, shape) => peer.Conv2d(shape));
            }

            if (only is null or "attention")
            {
                Compare("attention", Shapes.Attention, ours.Attention, (peer, shape) => peer.Attention(shape));
            }

            if (only is null or "group_norm_silu")
            {
                Compare("group_norm_silu", Shapes.Image, ours.GroupNorm, (peer, shape) => peer.GroupNorm(shape));
            }

            if (only is null or "layer_norm")
            {
                Compare("layer_norm", Shapes.Image, ours.LayerNorm, (peer, shape) => peer.LayerNorm(shape));
            }

            if (only is null or "add")
            {
                Compare("add", Shapes.Image, ours.Add, (peer, shape) => peer.Add(shape));
            }

            void Compare<S>(string op, S[] shapes, Func<S, Action> make, Func<Peer, S, Action?> makePeer) where S : notnull
            {
                foreach (S shape in shapes.Where(shape => onlyShape is null || shape.ToString() == onlyShape))
                {
                    List<(Peer Peer, Action Run)> rivals = [.. present
                        .Select(peer => (Peer: peer, Run: makePeer(peer, shape)))
                        .Where(rival => rival.Run is not null)
                        .Select(rival => (rival.Peer, rival.Run!))];
                    double[] times = Stopwatches.Least(seconds, [make(shape), .. rivals.Select(rival => rival.Run)]);
                    foreach ((int index, (Peer peer, _)) in rivals.Index())
                    {
                        double theirs = times[index + 1];
                        var row = new Row(op, shape.ToString()!, count, times[0], peer.Name, theirs, theirs / times[0]);
                        rows.Add(row);
                        Console.WriteLine($"{op,-16}{row.Shape,-30}{count} threads  {row.Ours,9:F3} ms  "
                            + $"{peer.Name,-16}{theirs,9:F3} ms  x{row.Ratio:F2}");
                    }

                    ours.Clear();
                    foreach (Peer peer in present)
                    {
                        peer.Clear();
                    }
                }
            }
        }

        if (json is not null)
        {
            Row.Save(json, rows);
        }

        return 0;
    }
}
