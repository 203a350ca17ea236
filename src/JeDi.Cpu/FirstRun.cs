using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// Every kernel of a network once, on a few zeros, while other work of a start goes on: kernels are compiled for the processor at hand when
/// they first run, which takes as long as some steps of a small model.
/// </summary>
sealed class FirstRun
{
    const int Width = 64;
    const int Groups = 32;
    const int Heads = 4;
    const int MostRows = 14;
    const int UsualRows = 8;

    static int begun;

    readonly CpuDevice device;
    readonly Ops ops;

    FirstRun(CpuDevice device)
    {
        this.device = device;
        ops = new Ops(device, new Arena(device, blockBytes: 1 << 20));
    }

    /// <summary>Begins on a thread of its own, once in a process and where there is a processor to spare.</summary>
    public static void Begin(SimdLevel level)
    {
        if (Environment.ProcessorCount > 1 && Interlocked.Exchange(ref begun, 1) == 0)
        {
            new Thread(() => Run(level)) { IsBackground = true, Name = "jedi-first-run" }.Start();
        }
    }

    /// <summary>All of it, on this thread.</summary>
    internal static void Run(SimdLevel level)
    {
        try
        {
            using var device = new CpuDevice(threads: 1, level);
            var run = new FirstRun(device);
            run.Texts();
            run.Images();
        }
        catch (OutOfDeviceMemoryException)
        {
            // Whoever wants memory for a picture is told.
        }
    }

    void Texts()
    {
        Parameter vector = Zeros(ParameterKind.Vector, [Width]);
        Parameter matrix = Zeros(ParameterKind.Matrix, [Width, Width]);
        Parameter table = Zeros(ParameterKind.Table, [2, Width]);
        Tensor entries = ops.Embed(table, ops.From<int>([MostRows], new int[MostRows])).Reshape([1, MostRows, Width]);
        Tensor x = ops.LayerNorm(ops.Add(entries, entries), vector, vector, eps: 1e-5f);
        foreach (Activation activation in (ReadOnlySpan<Activation>)[Activation.None, Activation.QuickGelu, Activation.Silu])
        {
            ops.Linear(x, matrix, vector, x, activation);
        }

        ops.Attention(x, x, x, Heads, causal: true);

        // Rows of a product, or columns of an attention's head, are cut into tiles of nearly equal height, so that low ones are rare.
        for (int rows = MostRows; rows >= UsualRows; rows--)
        {
            ops.Linear(Zeros([1, rows, Width]), matrix, vector);
            Tensor head = Zeros([1, MostRows, rows]);
            ops.Attention(head, head, head, heads: 1);
        }

        ops.Linear(Zeros([1, 4, Width]), matrix, vector);
        ops.Linear(Zeros([1, 2, Width]), matrix, vector);
    }

    void Images()
    {
        Parameter vector = Zeros(ParameterKind.Vector, [Width]);
        Parameter filter = Zeros(ParameterKind.Convolution, [Width, 3, 3, Width]);
        Parameter gated = Zeros(ParameterKind.GegluMatrix, [2 * Width, Width]);
        Tensor time = ops.TimestepEmbedding(Zeros([2]), Width);
        foreach (int size in (ReadOnlySpan<int>)[16, 8, 4])
        {
            Tensor x = ops.GroupNorm(Zeros([2, size, size, Width]), vector, vector, Groups, eps: 1e-5f, silu: true);
            ops.Conv2d(x, filter, vector, time, x);
            ops.Conv2d(x, filter, vector, geometry: new ConvGeometry(Stride: 2));
            ops.Conv2d(x, filter, vector, geometry: new ConvGeometry(Upsample: true));
            Tensor tokens = x.Reshape([2, size * size, Width]);
            ops.Linear(tokens, gated, activation: Activation.Geglu);
            ops.Attention(tokens, tokens, tokens, Heads);
            ops.Concat(x, x);
        }

        Tensor latent = Zeros([2, 4, 4, 4]);
        Tensor scale = Zeros([1]);
        ops.PackInput(latent, latent, Zeros([2]), scale, InputLayout.MaskNoisyClean);
        ops.Combine(Zeros([2, 4, 4, 4]), scale, latent);
    }

    Tensor Zeros(Shape shape)
    {
        Tensor zeros = ops.New(shape);
        device.Fill(zeros, 0);
        return zeros;
    }

    Parameter Zeros(ParameterKind kind, Shape shape)
    {
        DType type = kind == ParameterKind.Vector ? DType.F32 : DType.F16;
        return device.Load("zeros", kind, shape, type, new byte[shape.Count * type.Size()]);
    }
}
